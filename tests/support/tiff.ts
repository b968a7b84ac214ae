interface Tiff {
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly bits: 8 | 16 | 32;
  /** 1: grey, 2: RGB, 5: printing colours. */
  readonly photometric: number;
  /** 1: whole numbers, 3: floats. */
  readonly format?: number;
  readonly data: Uint8Array;
}

/** An uncompressed TIFF of one page, which sharp doesn't write. */
export function tiff({ width, height, samples, bits, photometric, format = 1, data }: Tiff): Buffer {
  const [long, short] = [4, 3];
  const table = 8 + data.length;
  const lists = table + 2 + 12 * 10 + 4;
  const entries = [
    [256, long, 1, width],
    [257, long, 1, height],
    [258, short, samples, samples > 2 ? lists : bits],
    [259, short, 1, 1],
    [262, short, 1, photometric],
    [273, long, 1, 8],
    [277, short, 1, samples],
    [278, long, 1, height],
    [279, long, 1, data.length],
    [339, short, samples, samples > 2 ? lists + 2 * samples : format],
  ] as const;
  const file = Buffer.alloc(lists + 4 * samples);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(table, 4);
  file.set(data, 8);
  file.writeUInt16LE(entries.length, table);
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    const at = table + 2 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    file.writeUInt32LE(value, at + 8);
  }
  for (let i = 0; i < samples; i++) {
    file.writeUInt16LE(bits, lists + 2 * i);
    file.writeUInt16LE(format, lists + 2 * samples + 2 * i);
  }
  return file;
}
