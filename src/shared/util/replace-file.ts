import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The file operations that a safe replacement is made of; tests put their own in place to fail or to record them. */
export interface FileOperations {
  write(path: string, bytes: Uint8Array): Promise<void>;
  sync(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncDirectory(folder: string): Promise<void>;
  remove(path: string): Promise<void>;
}

export const fileOperations: FileOperations = {
  write: async (path, bytes) => withFile(path, 'w', (file) => file.writeFile(bytes)),
  sync: async (path) => withFile(path, 'r+', (file) => file.sync()),
  rename,
  syncDirectory: async (folder) => withFile(folder, 'r', (directory) => directory.sync()),
  remove: async (path) => rm(path, { force: true }),
};

/**
 * Writes a file so that, whatever crashes and whenever, the path holds either what it held before or all of `bytes`.
 * One writer a path: the temporary name is fixed, so that what a crash leaves behind is overwritten next time.
 * @throws the file system's error; the path then holds what it held before, or `bytes` where only the directory's sync failed
 */
export async function replaceFile(path: string, bytes: Uint8Array, files = fileOperations): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await files.write(temporary, bytes);
    // Without this sync a file system may make the rename durable before the contents: an empty file after a power cut.
    await files.sync(temporary);
    await files.rename(temporary, path);
  } catch (error) {
    // The first failure is the one to report; the removal often fails for the same reason.
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  await files.syncDirectory(dirname(path));
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function withFile(path: string, flags: string, use: (file: OpenFile) => Promise<void>): Promise<void> {
  const file = await open(path, flags);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
