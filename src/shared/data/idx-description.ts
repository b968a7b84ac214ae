// Which files of a folder are the four of a data set: MNIST's names, or what its dataset.json says.
import { realpath } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { z } from 'zod';
import { editedText } from '../util/edited-text.ts';
import type { DatasetError } from '../util/errors.ts';
import { parseJson } from '../util/json.ts';
import { readPlainFile } from '../util/plain-file.ts';
import { printable } from '../util/printable.ts';
import { ClassNames } from './class-names.ts';
import { badFile } from './idx.ts';
import { MNIST_FILES } from './mnist-files.ts';
import type { Place } from './source.ts';

export const DESCRIPTION = 'dataset.json';
const MAX_BYTES = 1 << 20;
const MAX_TEXT = 200;

/** The paths of a part's files. */
export interface PartFiles {
  readonly images: string;
  readonly labels: string;
}

export interface Description {
  readonly train: PartFiles;
  readonly test: PartFiles;
  /** Undefined: they are numbered up to the highest label. */
  readonly classNames: readonly string[] | undefined;
  /** The label of the first class. */
  readonly firstLabel: number;
  /** Whether the files have an image's columns where others have its rows, as EMNIST's do. */
  readonly isTransposed: boolean;
  readonly name: string | undefined;
  readonly licence: string | undefined;
  /** Whether its images are drawings in MNIST's form. */
  readonly isDrawn: boolean;
}

const Text = z.string().min(1).max(MAX_TEXT);
const Part = z.strictObject({ images: Text, labels: Text });
const Schema = z.strictObject({
  name: Text.optional(),
  licence: Text.optional(),
  train: Part,
  test: Part,
  classes: ClassNames.max(256).optional(),
  firstLabel: z.int().min(0).max(255).default(0),
  transposed: z.boolean().default(false),
  preparation: z.literal('ink').optional(),
});

/** @throws DatasetError if a file is missing or isn't in the folder, or dataset.json can't be used; `advice` is its end */
export async function describe(place: Place, advice: string): Promise<Description> {
  if (!place.names?.includes(DESCRIPTION)) return ofMnistsNames(place, advice);
  const file = join(place.path, DESCRIPTION);
  const bad = (problem: string, cause?: unknown): DatasetError => badFile(file, problem, cause, advice);
  let json: unknown;
  try {
    json = parseJson(editedText(await readPlainFile(file, MAX_BYTES)));
  } catch (error) {
    throw bad(`can't be read as JSON (${printable((error as Error).message)}).`, error);
  }
  const parsed = Schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw bad(`${printable([...(issue?.path ?? []), issue?.message].join(': '))}.`, parsed.error);
  }
  const { train, test, classes, firstLabel, transposed, name, licence, preparation } = parsed.data;
  const within = async (path: string): Promise<string> => {
    const found = await insideOf(place.path, path);
    if (found !== undefined) return found;
    throw bad(`expected the name of a file in this folder, but there is no ${printable(path)} in it.`);
  };
  return {
    train: { images: await within(train.images), labels: await within(train.labels) },
    test: { images: await within(test.images), labels: await within(test.labels) },
    classNames: classes,
    firstLabel,
    isTransposed: transposed,
    name,
    licence,
    isDrawn: preparation === 'ink',
  };
}

function ofMnistsNames({ path, names = [] }: Place, advice: string): Description {
  const [trainImages, trainLabels, testImages, testLabels] = MNIST_FILES.map(({ name }) => {
    const found = [name, `${name}.gz`].find((candidate) => names.includes(candidate));
    if (found !== undefined) return join(path, found);
    throw badFile(
      join(path, name),
      `missing: expected it or ${name}.gz, but the folder has neither.`,
      undefined,
      advice,
    );
  }) as [string, string, string, string];
  return {
    train: { images: trainImages, labels: trainLabels },
    test: { images: testImages, labels: testLabels },
    classNames: undefined,
    firstLabel: 0,
    isTransposed: false,
    name: undefined,
    licence: undefined,
    isDrawn: false,
  };
}

/** The path of a file below a folder, links followed; undefined if it isn't there. */
async function insideOf(folder: string, name: string): Promise<string | undefined> {
  if (isAbsolute(name) || name.includes('\0')) return undefined;
  try {
    const [root, file] = [await realpath(folder), await realpath(join(folder, name))];
    return file.startsWith(`${root}${root.endsWith(sep) ? '' : sep}`) ? file : undefined;
  } catch {
    return undefined;
  }
}
