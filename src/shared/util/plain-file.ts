import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open } from 'node:fs/promises';

/** A pipe without a writer would block the process; Windows has neither flag. */
const NO_WAIT = constants.O_NONBLOCK ?? 0;
const NO_LINK = constants.O_NOFOLLOW ?? 0;

const WAYS = {
  read: constants.O_RDONLY,
  /** An existing file. */
  update: constants.O_RDWR | NO_LINK,
  /** An existing file, or a new one. */
  make: constants.O_RDWR | constants.O_CREAT | NO_LINK,
  /** A new file. */
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_LINK,
} as const;

export type Way = keyof typeof WAYS;

/**
 * Opens a plain file. If it is opened for writing, it isn't a symbolic link either: whoever can put a link into a folder would
 * choose the file that is overwritten.
 * @param mode the permissions of a new file, less the process's mask
 * @throws the file system's error, or one that says what was found instead
 */
export async function openPlainFile(path: string, way: Way, mode = 0o666): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, WAYS[way] | NO_WAIT, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP') throw notPlain('a plain file', 'a symbolic link', error);
    // A pipe, a socket and some devices can't be opened at all.
    if (code === 'ENXIO' || code === 'EISDIR') throw notPlain('a plain file', 'a pipe, a device or a folder', error);
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw notPlain('a plain file', 'a pipe, a device or a folder');
}

/**
 * The contents of a plain file.
 * @throws the file system's error, or one that says that the file is no plain file or too large
 */
export async function readPlainFile(path: string, maxBytes: number): Promise<Buffer> {
  const file = await openPlainFile(path, 'read');
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw new Error(`expected at most ${maxBytes} bytes, but it has ${size}`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** Makes a folder if it is missing. @throws the file system's error, or one that says that it is a link or a file */
export async function makePlainFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  if (!(await lstat(path)).isDirectory()) throw notPlain('a folder', 'a symbolic link');
}

function notPlain(expected: string, found: string, cause?: unknown): Error {
  return new Error(`expected ${expected}, but it is ${found}`, { cause });
}
