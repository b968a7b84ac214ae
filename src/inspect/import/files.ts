import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ModelError } from '../../shared/util/errors.ts';
import { decodeSafetensors, type TensorFile } from '../../shared/util/safetensors.ts';
import { MAX_WEIGHT_BYTES } from './model-file.ts';
import { quoted } from './names.ts';

/**
 * The bytes of a file that isn't larger than a limit.
 * @throws ModelError if it is, or if it can't be read
 */
export function readBounded(path: string, maxBytes: number): Promise<Buffer> {
  return withFile(path, async (file, size) => {
    if (size > maxBytes) throw new ModelError(`${path}: it has ${size} bytes; ${maxBytes} are the most that are read.`);
    return readAt(file, path, 0, size);
  });
}

/** Opens a regular file for `work`. @throws ModelError if there is none, or if the system can't read it */
export async function withFile<T>(path: string, work: (file: FileHandle, size: number) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    // Without waiting for the writer of a pipe.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const stat = await file.stat();
    if (!stat.isFile()) throw new ModelError(`${path}: expected a file, but it is none.`);
    return await work(file, stat.size);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error)
      throw new ModelError(`${path}: it can't be read (${error.message}).`, { cause: error });
    throw error;
  } finally {
    await file?.close();
  }
}

export async function readAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new ModelError(`${path}: it ends within its contents.`);
  return bytes;
}

/** The tensors of a safetensors file. @throws ModelError if it isn't a sound one, or too large */
export async function readTensors(path: string): Promise<TensorFile['tensors']> {
  const bytes = await readBounded(path, MAX_WEIGHT_BYTES);
  const refusal = (file: string, problem: string, cause?: unknown): never => {
    throw new ModelError(`${file}: it can't be read as safetensors: ${quoted(problem)}.`, { cause });
  };
  return decodeSafetensors(bytes, path, refusal).tensors;
}

/**
 * The path of a file that a model's file names: one in the same folder.
 * @throws ModelError if the name leads elsewhere
 */
export function besideOf(path: string, name: string): string {
  if (name !== '' && name === basename(name) && !/[\\/\0:]|^\./.test(name)) return join(dirname(path), name);
  throw new ModelError(`${path}: it names the file ${quoted(name)}; only files of the same folder are read.`);
}
