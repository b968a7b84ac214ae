import { extname } from 'node:path';
import type { Shape } from '../model/shape.ts';
import { decodePicture, pictureBytes } from '../pictures/decode.ts';
import { PictureError } from '../pictures/limits.ts';
import { isGrey } from '../pictures/pixels.ts';
import { DecodingPool } from '../pictures/pool.ts';
import type { SampleResult, SampleTask } from '../pictures/thread.ts';
import { checkSize } from './limits.ts';
import { bad, type PictureFile } from './picture-folder.ts';
import type { Resize } from './preparation.ts';

/** Files of a task: passing one to a thread takes time, and a file that ends its thread takes the others of its task along. */
const BATCH = 32;
/** The largest side that samples have because all pictures have it, and their side if these have others. */
const MAX_OWN_SIDE = 64;
const USUAL_SIDE = 32;

/** What samples are, and whether it was seen in the pictures rather than asked for: then one that is otherwise changes it. */
interface Form {
  readonly shape: Shape;
  readonly common: SampleTask['common'];
}

export interface ReadPictures {
  readonly shape: Shape;
  /** [file][maps][height][width]; those that can't be read are 0. */
  readonly samples: Uint8Array;
  /** Of each file. */
  readonly results: readonly Exclude<SampleResult, { other: unknown }>[];
  /** The pictures have other sizes than their samples, and nobody asked for these. */
  readonly isResized: boolean;
}

interface Reading {
  readonly folder: string;
  readonly classes: number;
  readonly resize: Resize;
  /** Of the model that samples are for; undefined: it takes any. */
  readonly input: Shape | undefined;
  /** Shows how much is done, 0..1. */
  readonly progress: (share: number) => void;
}

/**
 * The samples of all files. If no shape is asked for, they have the pictures' own size where all have the same of at most 64x64, else
 * 32x32, and one map where all are grey.
 * @throws DatasetError if none can be read, or they take too much memory; PackageError if no picture can be decoded here
 */
export async function readPictures(files: readonly PictureFile[], reading: Reading): Promise<ReadPictures> {
  const thread = new URL(`../pictures/thread${extname(import.meta.url)}`, import.meta.url).href;
  const pool = new DecodingPool<SampleTask, SampleResult[]>(
    { filename: thread, name: 'readSamples' },
    Math.ceil(files.length / BATCH),
  );
  try {
    let form = reading.input === undefined ? await formOfFirst(files, reading.folder) : asked(reading.input);
    for (;;) {
      const read = await readAs(form, files, { ...reading, pool });
      if (!('other' in read)) {
        const isResized = reading.input === undefined && !form.common.size;
        return { ...read, shape: form.shape, isResized };
      }
      form = without(read.other, form);
    }
  } finally {
    await pool.close();
  }
}

function asked(shape: Shape): Form {
  return { shape, common: { size: false, grey: false } };
}

/** As the first picture is that can be read. */
async function formOfFirst(files: readonly PictureFile[], folder: string): Promise<Form> {
  let reason = '';
  for (const { path, name } of files) {
    try {
      const pixels = await decodePicture(pictureBytes(path));
      const { width, height } = pixels;
      const [size, grey] = [Math.max(width, height) <= MAX_OWN_SIDE, isGrey(pixels)];
      const sides = size ? { height, width } : { height: USUAL_SIDE, width: USUAL_SIDE };
      return { shape: { maps: grey ? 1 : 3, ...sides }, common: { size, grey } };
    } catch (error) {
      const isOwn = error instanceof PictureError || (error as NodeJS.ErrnoException).syscall !== undefined;
      if (!isOwn) throw error;
      reason ||= `${name}: ${(error as Error).message}`;
    }
  }
  throw noneReadable(folder, reason);
}

export function noneReadable(folder: string, reason: string): Error {
  return bad(
    folder,
    `has no picture that can be read (${reason}). Name a folder of PNG, JPEG, WebP, GIF or TIFF files`,
  );
}

/** What is left to expect if a picture isn't as all others were. */
function without(other: 'size' | 'colour', { shape, common }: Form): Form {
  return other === 'size'
    ? { shape: { ...shape, height: USUAL_SIDE, width: USUAL_SIDE }, common: { ...common, size: false } }
    : { shape: { ...shape, maps: 3 }, common: { ...common, grey: false } };
}

type Read = Pick<ReadPictures, 'samples' | 'results'>;

/** All samples in one form, or what keeps a picture from being in it. */
async function readAs(
  { shape, common }: Form,
  files: readonly PictureFile[],
  { pool, ...reading }: Reading & { readonly pool: DecodingPool<SampleTask, SampleResult[]> },
): Promise<Read | { readonly other: 'size' | 'colour' }> {
  const counts = { samples: files.length, testSamples: 0, classes: reading.classes };
  checkSize({ ...shape, ...counts, inputs: 'uint8', targets: 'uint16' }, reading.folder);
  const samples = new SharedArrayBuffer(files.length * shape.maps * shape.height * shape.width);
  const task = (first: number, end: number): SampleTask => ({
    files: files.slice(first, end).map(({ path }) => path),
    ...{ shape, common, samples, first, resize: reading.resize },
  });
  const results = new Array<Read['results'][number] | undefined>(files.length);
  const failed: number[] = [];
  const batches = Array.from({ length: Math.ceil(files.length / BATCH) }, (_, i) => task(BATCH * i, BATCH * (i + 1)));
  let done = 0;
  for await (const found of pool.run(batches, () => [])) {
    const batch = batches[done++] as SampleTask;
    if (found.length === 0) failed.push(...batch.files.map((_, i) => batch.first + i));
    for (const [i, result] of found.entries()) {
      if ('other' in result) return result;
      results[batch.first + i] = result;
    }
    reading.progress(done / batches.length);
  }
  // Each by itself, so that one that ends its thread is known.
  let again = 0;
  const singly = failed.map((place) => task(place, place + 1));
  for await (const [result] of pool.run(singly, (_, problem) => [{ problem }])) {
    if (result !== undefined && 'other' in result) return result;
    results[failed[again++] as number] = result;
  }
  return { samples: new Uint8Array(samples), results: results as Read['results'] };
}
