import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';
import { type FileOperations, fileOperations, replaceFile } from './replace-file.ts';

/** The name of the checkpoint that stands after `step` updates. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

const NAME = /^step-(\d{8,})\.safetensors$/;

/** The step in a checkpoint's name; undefined where it isn't one. */
export function stepOfCheckpoint(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 10);
}

/** Those in a folder, newest first; none where it doesn't exist. @throws the file system's error where it can't be read */
export async function checkpointsIn(folder: string): Promise<{ file: string; step: number }[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  return names
    .flatMap((name) => {
      const step = stepOfCheckpoint(name);
      return step === undefined ? [] : [{ file: join(folder, name), step }];
    })
    .sort((a, b) => b.step - a.step);
}

/**
 * Writes an encoded checkpoint so that a crash leaves either all of it or none.
 * @returns its path
 * @throws CheckpointError where it can't be written
 */
export async function writeCheckpoint(
  folder: string,
  bytes: Uint8Array,
  { step, files = fileOperations }: { readonly step: number; readonly files?: FileOperations },
): Promise<string> {
  const path = join(folder, checkpointName(step));
  try {
    await replaceFile(path, bytes, files);
  } catch (error) {
    const { message } = error as Error;
    throw new CheckpointError(
      `The checkpoint ${path} could not be written: ${message}. Check that the disk has space and that its folder can be written.`,
      { file: path, cause: error },
    );
  }
  return path;
}

/** @throws CheckpointError where the file is missing, unreadable or damaged */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  return decodeCheckpoint(await readBytes(file), file);
}

async function readBytes(file: string): Promise<Uint8Array> {
  try {
    // Opening a named pipe would wait for a writer for ever.
    if ((await stat(file)).isFile()) return await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? "doesn't exist" : `can't be read (${message})`;
    throw new CheckpointError(`The checkpoint ${file} ${problem}. Name a file from a run's checkpoints folder.`, {
      file,
      cause: error,
      isUnreadable: code !== 'ENOENT',
    });
  }
  throw new CheckpointError(`The checkpoint ${file} isn't a file. Name a file from a run's checkpoints folder.`, {
    file,
  });
}
