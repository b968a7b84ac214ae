import { createHash } from 'node:crypto';
import type { DataFile } from './mnist-files.ts';

/** Identifies a data set: SHA-256 over the lines `<sha256>  <file>\n` of its files. */
export function digestOf(files: readonly Pick<DataFile, 'name' | 'sha256'>[]): string {
  return sha256(files.map((file) => `${file.sha256}  ${file.name}\n`).join(''));
}

/** Of the pieces one after the other. */
export function sha256(...pieces: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  return hash.digest('hex');
}
