import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';

export interface NewFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The path of --out. @throws UsageError if it exists already */
export async function newFile(path: string): Promise<string> {
  if ((await contentsOf(path)) === undefined) return path;
  throw new UsageError(`--out: expected the name of a new file, but ${path} exists. Remove it, or name another.`);
}

/** The folder of --out, when it is empty or isn't there yet. @throws UsageError otherwise */
export async function newFolder(path: string): Promise<string> {
  const contents = await contentsOf(path);
  if (contents === undefined || contents === 0) return path;
  const found = contents === 'file' ? 'is a file' : 'holds files already';
  throw new UsageError(`--out: expected a new or empty folder, but ${path} ${found}. Remove it, or name another.`);
}

/**
 * Writes files in order, each whole or not at all, and makes their folders if they are missing.
 * @throws UsageError if that fails
 */
export async function writeFiles(files: readonly NewFile[]): Promise<void> {
  for (const { path, bytes } of files) {
    try {
      await mkdir(dirname(path), { recursive: true });
      await replaceFile(path, bytes);
    } catch (error) {
      const { message } = error as Error;
      throw new UsageError(`--out: ${path} can't be written: ${message}. Name a place that can.`, { cause: error });
    }
  }
}

export function inFolder(folder: string, files: Readonly<Record<string, Uint8Array>>): NewFile[] {
  return Object.entries(files).map(([name, bytes]) => ({ path: join(folder, name), bytes }));
}

/** How many entries a folder has; undefined if it doesn't exist. */
async function contentsOf(path: string): Promise<number | 'file' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? (await readdir(path)).length : 'file';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new UsageError(`--out: ${path} can't be used: ${message}. Name another place.`, { cause: error });
  }
}
