import { readdir, stat } from 'node:fs/promises';
import { DatasetError } from '../util/errors.ts';
import type { Place } from './source.ts';

/**
 * What a path leads to.
 * @param origin names the path in errors
 * @throws DatasetError if there is nothing, neither a file nor a folder, or one that can't be read
 */
export async function placeAt(path: string, origin: string): Promise<Place> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return { path, names: await readdir(path) };
    // Opening a named pipe would wait for a writer for ever.
    if (found.isFile()) return { path, names: undefined };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw badPlace(path, origin, code === 'ENOENT' ? "doesn't exist" : `can't be read (${message})`, error);
  }
  throw badPlace(path, origin, 'is neither a file nor a folder');
}

function badPlace(path: string, origin: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(`${origin}, ${path}, ${problem}. Correct the path.`, { file: path, cause });
}
