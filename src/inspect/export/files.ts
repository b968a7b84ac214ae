import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';

export interface NewFile {
  readonly path: string;
  readonly bytes: Uint8Array;
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
