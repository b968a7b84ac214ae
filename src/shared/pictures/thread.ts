import { createHash } from 'node:crypto';
import type { Resize } from '../data/preparation.ts';
import type { Shape } from '../model/shape.ts';
import { decodePicture, pictureBytes } from './decode.ts';
import { PictureError } from './limits.ts';
import { isGrey } from './pixels.ts';
import { sampleOf } from './resize.ts';

/** One task of the pool that reads a data set: some of its files, and what their samples are. */
export interface SampleTask {
  readonly files: readonly string[];
  readonly shape: Shape;
  readonly resize: Resize;
  /** What is expected of all pictures: their size, and that they are grey. A picture that isn't so is told, and makes no sample. */
  readonly common: { readonly size: boolean; readonly grey: boolean };
  /** Receives the samples, the first file's as sample `first`. */
  readonly samples: SharedArrayBuffer;
  readonly first: number;
}

/** The SHA-256 of a file that became a sample; why it can't be read; or in what it differs from what is expected of all. */
export type SampleResult =
  | { readonly sha256: string }
  | { readonly problem: string }
  | { readonly other: 'size' | 'colour' };

export async function readSamples({ files, ...task }: SampleTask): Promise<SampleResult[]> {
  const results: SampleResult[] = [];
  for (const [i, file] of files.entries()) results.push(await readSample(file, task, task.first + i));
  return results;
}

async function readSample(file: string, task: Omit<SampleTask, 'files'>, place: number): Promise<SampleResult> {
  const { shape, common } = task;
  try {
    const bytes = pictureBytes(file);
    const pixels = await decodePicture(bytes);
    if (common.size && (pixels.width !== shape.width || pixels.height !== shape.height)) return { other: 'size' };
    if (common.grey && !isGrey(pixels)) return { other: 'colour' };
    const sample = sampleOf(pixels, shape, task.resize);
    new Uint8Array(task.samples, place * sample.length, sample.length).set(sample);
    return { sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    if (error instanceof PictureError) return { problem: error.message };
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return { problem: `it can't be read (${(error as Error).message})` };
  }
}
