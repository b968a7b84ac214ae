/** An array as numpy.save writes it. `descr` is the type of `bytes`, such as `<f4`. */
export function npyOf(
  descr: string,
  shape: readonly number[],
  bytes: Uint8Array,
  { isFortran = false, version = 1 }: { readonly isFortran?: boolean; readonly version?: 1 | 2 | 3 } = {},
): Buffer {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const header = `{'descr': '${descr}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': (${sides}), }`;
  const lengthBytes = version === 1 ? 2 : 4;
  const padded = `${header.padEnd(Math.ceil((8 + lengthBytes + header.length + 1) / 64) * 64 - 8 - lengthBytes - 1)}\n`;
  const start = Buffer.alloc(8 + lengthBytes);
  start.write('\x93NUMPY', 'latin1');
  start.set([version, 0], 6);
  if (version === 1) start.writeUInt16LE(padded.length, 8);
  else start.writeUInt32LE(padded.length, 8);
  return Buffer.concat([start, Buffer.from(padded, 'latin1'), bytes]);
}

/** The bytes of values. */
export function bytesOf(values: ArrayBufferView): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
