import { join } from 'node:path';
import { type ByteSource, fileSource } from '../../util/byte-source.ts';
import { editedText } from '../../util/edited-text.ts';
import { DatasetError } from '../../util/errors.ts';
import { readPlainFile } from '../../util/plain-file.ts';
import { printable } from '../../util/printable.ts';
import {
  CIFAR_IMAGE_BYTES,
  CIFAR_SHAPE,
  CIFAR10_LAYOUT,
  CIFAR100_LAYOUT,
  type CifarLayout,
  recordBytes,
  splitRecords,
} from '../cifar.ts';
import { ClassNames } from '../class-names.ts';
import type { Arrays, Split } from '../dataset.ts';
import { checkSize, MAX_SAMPLES } from '../limits.ts';
import type { Found, Place, SourceKind } from '../source.ts';

const MAX_NAMES_BYTES = 1 << 20;
/** Records that are read at once. */
const PIECE = 256;

/** The binary files of CIFAR-10, or of CIFAR-100 with its fine classes. */
export const CIFAR_BINARY: SourceKind = {
  title: 'a folder of the binary files of CIFAR-10 or CIFAR-100',
  accepts: (place) => layoutIn(place) !== undefined,
  find,
};

function layoutIn({ names = [] }: Place): CifarLayout | undefined {
  return [CIFAR10_LAYOUT, CIFAR100_LAYOUT].find(({ train, test }) =>
    [...train, test].some((name) => names.includes(name)),
  );
}

async function find(place: Place): Promise<Found> {
  const layout = layoutIn(place) as CifarLayout;
  const sourceOf = (name: string): Promise<ByteSource> => recordsIn(join(place.path, name), layout);
  const train: ByteSource[] = [];
  for (const name of layout.train) train.push(await sourceOf(name));
  const test = [await sourceOf(layout.test)];
  const classNames = await namesIn(join(place.path, layout.names));
  const [maps, height, width] = CIFAR_SHAPE;
  const form = { maps, height, width, classes: classNames.length };
  const [samples, testSamples] = [countOf(train, layout), countOf(test, layout)];
  const shape = { ...form, inputs: 'uint8', targets: 'uint16', samples, testSamples } as const;
  if (samples > MAX_SAMPLES) throw bad(place.path, `expected at most ${MAX_SAMPLES} samples, but it has ${samples}`);
  checkSize(shape, place.path);
  return {
    shape,
    read: async (arrays) => ({
      ...form,
      classNames,
      train: await readPart(train, { arrays, layout, count: samples, classes: form.classes }),
      test: await readPart(test, { arrays, layout, count: testSamples, classes: form.classes }),
    }),
  };
}

async function recordsIn(path: string, layout: CifarLayout): Promise<ByteSource> {
  const record = recordBytes(layout);
  let source: ByteSource;
  try {
    source = await fileSource(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw bad(path, isMissing ? 'missing' : `it can't be read (${(error as Error).message})`, error);
  }
  if (source.size > 0 && source.size % record === 0) return source;
  throw bad(path, `expected whole records of ${record} bytes, but it has ${source.size} bytes`);
}

function countOf(sources: readonly ByteSource[], layout: CifarLayout): number {
  return sources.reduce((sum, { size }) => sum + size, 0) / recordBytes(layout);
}

async function namesIn(path: string): Promise<string[]> {
  let text: string;
  try {
    text = editedText(await readPlainFile(path, MAX_NAMES_BYTES));
  } catch (error) {
    throw bad(
      path,
      `expected the names of the classes, a line each, but it can't be read (${(error as Error).message})`,
      error,
    );
  }
  const parsed = ClassNames.safeParse(text.split(/\r?\n/).filter((line) => line !== ''));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw bad(
    path,
    `expected the names of the classes, a line each: ${printable([...(issue?.path ?? []), issue?.message].join(' '))}`,
  );
}

interface PartOptions {
  readonly arrays: Arrays;
  readonly layout: CifarLayout;
  readonly count: number;
  readonly classes: number;
}

async function readPart(
  sources: readonly ByteSource[],
  { arrays, layout, count, classes }: PartOptions,
): Promise<Split> {
  const record = recordBytes(layout);
  const part = { inputs: arrays.bytes(count * CIFAR_IMAGE_BYTES), targets: arrays.uint16(count) };
  const piece = new Uint8Array(PIECE * record);
  let first = 0;
  for (const source of sources) {
    for (let at = 0; at < source.size; at += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, source.size - at));
      await readOrRefuse(source, at, bytes);
      splitRecords(bytes, first, part, layout);
      first += bytes.length / record;
    }
  }
  const stray = part.targets.find((target) => target >= classes);
  if (stray !== undefined) {
    throw bad(
      sources[0]?.path ?? '',
      `a sample is of class ${stray}, but ${layout.names} names ${classes} classes, from 0 on`,
    );
  }
  return { ...part, count };
}

async function readOrRefuse(source: ByteSource, at: number, bytes: Uint8Array): Promise<void> {
  try {
    await source.read(at, bytes);
  } catch (error) {
    throw bad(source.path, `it can't be read (${(error as Error).message})`, error);
  }
}

function bad(path: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(`${path}: ${problem}. Correct this file, or name another data set by --data.`, {
    file: path,
    cause,
  });
}
