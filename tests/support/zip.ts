import { deflateRawSync } from 'node:zlib';

/** A zip archive of these files, with the extra field in front of each that numpy writes. Checksums are left out. */
export function zipOf(
  files: Readonly<Record<string, Uint8Array>>,
  { isDeflated = false, lengths = {} }: { isDeflated?: boolean; lengths?: Readonly<Record<string, number>> } = {},
): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  for (const [file, contents] of Object.entries(files)) {
    const name = Buffer.from(file);
    const body = isDeflated ? deflateRawSync(contents) : Buffer.from(contents);
    const method = isDeflated ? 8 : 0;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(20, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(body.length, 20);
    entry.writeUInt32LE(lengths[file] ?? contents.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(at, 42);
    parts.push(local, name, Buffer.alloc(20), body);
    entries.push(entry, name);
    at += local.length + name.length + 20 + body.length;
  }
  const list = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}
