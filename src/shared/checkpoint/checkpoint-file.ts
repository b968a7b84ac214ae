import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_PARAMETERS } from '../model/layout.ts';
import { CheckpointError } from '../util/errors.ts';
import { type FileOperations, fileOperations, replaceFile } from '../util/replace-file.ts';
import { MAX_HEADER_BYTES } from '../util/safetensors.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';

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

/** Those in a folder, newest first; none where it doesn't exist. @throws CheckpointError where it can't be read */
export async function checkpointsIn(folder: string): Promise<{ file: string; step: number }[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw new CheckpointError(
      `The checkpoints in ${folder} can't be read (${error.message}). Correct that folder, or name another run.`,
      { file: folder, cause: error, isUnreadable: true },
    );
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
    await replaceFile(path, bytes, { files });
  } catch (error) {
    const { message } = error as Error;
    throw new CheckpointError(
      `The checkpoint ${path} could not be written: ${message}. Check that the disk has space and that its folder can be written.`,
      { file: path, cause: error },
    );
  }
  return path;
}

/** A checkpoint has a header, and for each parameter a weight and two moments. */
const MAX_BYTES = 2 * MAX_HEADER_BYTES + 3 * Float32Array.BYTES_PER_ELEMENT * MAX_PARAMETERS;

/** @throws CheckpointError where the file is missing, unreadable, larger than any checkpoint, or damaged */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const advice = "Name a file from a run's checkpoints folder.";
  return decodeCheckpoint(await readBytes(file, { what: 'checkpoint', advice, maxBytes: MAX_BYTES }), file);
}

export interface ReadOptions {
  /** What errors call the file, and what they advise. */
  readonly what: string;
  readonly advice: string;
  /** More is not read. */
  readonly maxBytes?: number;
}

/** @throws CheckpointError where the file is missing, unreadable, larger than allowed, or no plain file */
export async function readBytes(
  file: string,
  { what, advice, maxBytes = Number.POSITIVE_INFINITY }: ReadOptions,
): Promise<Uint8Array> {
  let problem = "isn't a file";
  try {
    const found = await stat(file);
    // Opening a named pipe would wait for a writer for ever.
    if (found.isFile()) {
      if (found.size <= maxBytes) return await readFile(file);
      problem = `holds ${found.size} bytes, where at most ${maxBytes} were expected`;
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? "doesn't exist" : `can't be read (${message})`;
    throw new CheckpointError(`The ${what} ${file} ${reason}. ${advice}`, {
      file,
      cause: error,
      isUnreadable: code !== 'ENOENT',
    });
  }
  throw new CheckpointError(`The ${what} ${file} ${problem}. ${advice}`, { file });
}
