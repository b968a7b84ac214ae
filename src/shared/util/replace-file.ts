import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { openPlainFile } from './plain-file.ts';

/** The contents of a file: its bytes, or its text or bytes piece by piece. */
export type Contents = Uint8Array | AsyncIterable<string | Uint8Array> | readonly Uint8Array[];

/** The file operations of a safe replacement. Tests replace them to make one fail, or to record them. */
export interface FileOperations {
  /** Writes a new file. @param mode its permissions, less the process's mask */
  write(path: string, contents: Contents, mode?: number): Promise<void>;
  sync(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncDirectory(folder: string): Promise<void>;
  remove(path: string): Promise<void>;
}

export const fileOperations: FileOperations = {
  write: async (path, contents, mode) =>
    closing(await openPlainFile(path, 'create', mode), async (file) => {
      if (contents instanceof Uint8Array) await file.writeFile(contents);
      else for await (const piece of contents) await file.writeFile(piece);
    }),
  sync: async (path) => closing(await openPlainFile(path, 'update'), (file) => file.sync()),
  rename,
  syncDirectory: async (folder) => closing(await open(folder, 'r'), (directory) => directory.sync()),
  remove: async (path) => rm(path, { force: true }),
};

const RANDOM_BYTES = 8;
const TEMPORARY = /^(.+)\.[0-9a-f]{16}\.tmp$/;

export interface ReplaceOptions {
  readonly files?: FileOperations;
  /** The file's permissions, less the process's mask (default: 0666). */
  readonly mode?: number;
}

/**
 * Writes a file so that, whatever crashes and whenever, the path holds either what it held before or all of `contents`.
 * The temporary file has a random name and is new, so that no link can be put in its place; a link at the path is replaced.
 * @throws the file system's error, or that of `contents`; the path then holds what it held before, or `contents` if only the
 * directory's sync failed
 */
export async function replaceFile(path: string, contents: Contents, options: ReplaceOptions = {}): Promise<void> {
  const { files = fileOperations, mode } = options;
  const temporary = `${path}.${randomBytes(RANDOM_BYTES).toString('hex')}.tmp`;
  try {
    await files.write(temporary, contents, mode);
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

/** The name of the file that a killed process was about to replace; undefined if `name` isn't that of a temporary file. */
export function replacedBy(name: string): string | undefined {
  return TEMPORARY.exec(name)?.[1];
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function closing(file: OpenFile, use: (file: OpenFile) => Promise<void>): Promise<void> {
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
