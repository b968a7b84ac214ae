import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileOperations } from '../util/replace-file.ts';
import type { Fetched } from './mirrors.ts';
import type { DataFile } from './mnist-files.ts';

/**
 * Puts a file into the cache, whole or not at all. Any number of processes may do so at once: each writes a file of its own
 * and renames it, and whoever is last replaces what the others put there by the same contents.
 * @throws the file system's error
 */
export async function enterCache(
  folder: string,
  file: DataFile,
  { body, packed }: Pick<Fetched, 'body' | 'packed'>,
  files = fileOperations,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = packed ? `${file.name}.gz` : file.name;
  const temporary = join(folder, `${name}.${randomUUID()}.tmp`);
  try {
    await files.write(temporary, body);
    // Without this sync a file system may make the rename durable before the contents.
    await files.sync(temporary);
    await files.rename(temporary, join(folder, name));
  } catch (error) {
    // The first failure is the one to report; the removal often fails for the same reason.
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  // Readers take the unpacked copy if there are both, and that one was damaged.
  if (packed) await files.remove(join(folder, file.name));
  await files.syncDirectory(folder);
}
