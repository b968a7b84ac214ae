/** CRC-32C (Castagnoli), reflected. */
const POLYNOMIAL = 0x82f63b78;
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  return crc;
});
const MASK_DELTA = 0xa282ead8;
const LENGTH_BYTES = 8;
const CHECKSUM_BYTES = 4;

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** A TFRecord: length (uint64), its checksum, the bytes, their checksum; little-endian, checksums masked. */
export function frame(bytes: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(LENGTH_BYTES + bytes.length + 2 * CHECKSUM_BYTES);
  record.writeBigUInt64LE(BigInt(bytes.length));
  record.writeUInt32LE(masked(record.subarray(0, LENGTH_BYTES)), LENGTH_BYTES);
  record.set(bytes, LENGTH_BYTES + CHECKSUM_BYTES);
  record.writeUInt32LE(masked(bytes), record.length - CHECKSUM_BYTES);
  return record;
}

/** The format masks checksums, so that one of bytes that hold checksums themselves stays a good one. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
