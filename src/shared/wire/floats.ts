import { endianness } from 'node:os';

const FLOAT_BYTES = 4;
const isLittleEndian = endianness() === 'LE';

/** The values as bodies carry them: little-endian float32, one array after the other. The bytes of a single array may be a view of it. */
export function bytesOf(...arrays: readonly Float32Array[]): Buffer {
  const [first] = arrays;
  if (first !== undefined && arrays.length === 1 && isLittleEndian) {
    return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }
  const bytes = Buffer.allocUnsafe(arrays.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let end = 0;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), end);
    end += byteLength;
  }
  return isLittleEndian ? bytes : bytes.swap32();
}

/**
 * Fills `target` with a body's floats from index `offset` on, whatever the body's alignment.
 * @throws RangeError if the body has fewer
 */
export function floatsOf(body: Uint8Array, offset: number, target: Float32Array): void {
  const begin = FLOAT_BYTES * offset;
  if (begin < 0 || begin + target.byteLength > body.length) {
    throw new RangeError(`Floats ${offset} to ${offset + target.length} aren't in a body of ${body.length} bytes.`);
  }
  const bytes = Buffer.from(target.buffer, target.byteOffset, target.byteLength);
  bytes.set(body.subarray(begin, begin + target.byteLength));
  if (!isLittleEndian) bytes.swap32();
}

/** The uint16 values that a body carries in little-endian order, whatever its alignment: a copy. */
export function uint16Of(body: Uint8Array): Uint16Array {
  const bytes = Buffer.from(body);
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}
