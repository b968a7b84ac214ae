import { readdirSync } from 'node:fs';
import type { Shape } from '../../model/shape.ts';
import { decoderVersions } from '../../pictures/decode.ts';
import { DEFAULT_RESIZE } from '../../pictures/resize.ts';
import { count, percent } from '../../util/figures.ts';
import type { Print } from '../../util/notice.ts';
import { printable } from '../../util/printable.ts';
import { shownPath } from '../../util/shown-path.ts';
import { MAX_CLASS_NAME } from '../class-names.ts';
import type { Contents, Split } from '../dataset.ts';
import { sha256 } from '../digest.ts';
import { openPacked } from '../packed-cache.ts';
import { bad, listPictures, named, type PictureFile, type PictureFolder } from '../picture-folder.ts';
import { noneReadable, type ReadPictures, readPictures } from '../picture-samples.ts';
import type { Resize } from '../preparation.ts';
import type { FindContext, Found, Place, SourceKind } from '../source.ts';

const TEST_SPLIT = 0.15;
/** Raised when the same pictures and options give other samples. */
const VERSION = 1;
/** Files that can't be read and are named, with the reason. */
const MAX_LISTED = 5;

/**
 * A folder of pictures by class, asked after the kinds whose folders have files of known names: train/CLASS/… and test/CLASS/…, or CLASS/…, of which a part tests that is chosen by the files'
 * contents. PNG, JPEG, WebP, GIF and TIFF of any size, grey or in colours.
 */
export const PICTURES: SourceKind = {
  title: 'a folder of pictures by class',
  options: ['testSplit', 'resize'],
  accepts: ({ path, names }) => names !== undefined && hasFolders(path),
  find,
};

function hasFolders(path: string): boolean {
  return readdirSync(path, { withFileTypes: true }).some((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
}

interface Options {
  readonly resize: Resize;
  readonly testSplit: number;
  readonly input: Shape | undefined;
}

async function find({ path }: Place, context: FindContext): Promise<Found> {
  const { resize = DEFAULT_RESIZE, testSplit = TEST_SPLIT, input } = context.reading;
  if (input !== undefined && input.maps !== 1 && input.maps !== 3) {
    throw bad(path, `holds pictures, which have 1 map or 3, but the model takes ${input.maps}. Choose another model`);
  }
  const folder = await listPictures(path);
  const strange = folder.classNames.find((name) => name.length > MAX_CLASS_NAME || name !== printable(name));
  if (strange !== undefined) {
    throw bad(
      path,
      `has a class whose name can't be printed or is too long, ${printable(strange).slice(0, 40)}. Rename it`,
    );
  }
  const shape = input && { maps: input.maps, height: input.height, width: input.width };
  const options: Options = { resize, testSplit, input: shape };
  const making = (print: Print): Promise<Contents> => make(path, folder, options, { ...context, print });
  return openPacked(context, keyOf(folder, options), making, path);
}

/** Of all that decides the samples, as far as it is known without reading the pictures. */
function keyOf({ train, test }: PictureFolder, { resize, testSplit, input }: Options): string {
  const filesOf = (files: readonly PictureFile[]): unknown =>
    files.map(({ name, bytes, mtimeMs }) => [name, bytes, mtimeMs]);
  const options = [resize, test === undefined ? testSplit : undefined, input];
  return sha256(JSON.stringify(['pictures', VERSION, decoderVersions(), options, filesOf(train), filesOf(test ?? [])]));
}

async function make(path: string, folder: PictureFolder, options: Options, context: FindContext): Promise<Contents> {
  const files = [...folder.train, ...(folder.test ?? [])];
  const { classNames } = folder;
  const { show, print } = context;
  let shown = '';
  const progress = (share: number): void => {
    const text = `Reading ${count(files.length)} pictures: ${percent(share, 0)}`;
    if (text !== shown) show?.(text);
    shown = text;
  };
  let read: ReadPictures;
  try {
    read = await readPictures(files, { ...options, folder: path, classes: classNames.length, progress });
  } finally {
    show?.('');
  }
  if (folder.passedOver > 0)
    print(`Passed over ${count(folder.passedOver)} files and folders of ${shownPath(path)} that are no pictures.`);
  printUnreadable(files, read, { path, print });
  if (read.isResized) {
    print(`The pictures differ in size, or are larger than 64x64: they become samples of ${sizeText(read.shape)}.`);
  }
  const isTest = folder.test === undefined ? chosenForTest(files, read, options.testSplit) : isIn(folder.train.length);
  // The training part last: it moves together in the memory that holds all.
  const [test, train] = [partOf(files, read, isTest, 'copied'), partOf(files, read, (i) => !isTest(i), 'moved')];
  checkClasses(train, path, folder);
  if (test.count === 0) throw bad(path, 'has no test picture that can be read. Put some there');
  if (folder.test === undefined) checkClasses(test, path, folder);
  const preparation = { kind: 'pictures', resize: options.resize } as const;
  return { ...read.shape, classes: classNames.length, classNames, preparation, train, test };
}

/** @throws DatasetError if a class has no picture in a part */
function checkClasses({ targets }: Split, path: string, { classNames }: PictureFolder): void {
  const seen = new Set(targets);
  const lost = classNames.filter((_, k) => !seen.has(k));
  if (lost.length === 0) return;
  throw bad(
    path,
    `has too few different pictures that can be read of the ${named('class', lost)}. Expected two or more`,
  );
}

function isIn(start: number): (i: number) => boolean {
  return (i) => i >= start;
}

function sizeText({ height, width }: Shape): string {
  return `${height}x${width}`;
}

function printUnreadable(
  files: readonly PictureFile[],
  { results }: ReadPictures,
  { path, print }: Pick<FindContext, 'print'> & { readonly path: string },
): void {
  const lines = results.flatMap((result, i) =>
    'problem' in result ? [`${printable((files[i] as PictureFile).name)}: ${printable(result.problem)}`] : [],
  );
  if (lines.length === 0) return;
  if (lines.length === files.length) throw noneReadable(path, lines[0] as string);
  print(
    `${count(lines.length)} of ${count(files.length)} pictures in ${shownPath(path)} can't be read and are left out:`,
    'warn',
  );
  for (const line of lines.slice(0, MAX_LISTED)) print(`  ${line}`, 'warn');
  if (lines.length > MAX_LISTED) print(`  and ${count(lines.length - MAX_LISTED)} more`, 'warn');
}

/**
 * Of each class the share whose files have the lowest hashes, at least one: whatever the files are called, in whatever order and on
 * whatever machine, the same are chosen, and two equal files are in the same part.
 */
function chosenForTest(
  files: readonly PictureFile[],
  { results }: ReadPictures,
  share: number,
): (i: number) => boolean {
  const byClass = new Map<number, Set<string>>();
  const hashOf = (i: number): string | undefined => {
    const result = results[i];
    return result !== undefined && 'sha256' in result ? result.sha256 : undefined;
  };
  for (const [i, { target }] of files.entries()) {
    const hash = hashOf(i);
    const hashes = byClass.get(target) ?? new Set();
    if (hash !== undefined) byClass.set(target, hashes.add(hash));
  }
  const last = new Map(
    [...byClass].map(([target, hashes]) => {
      const distinct = [...hashes].sort();
      const number = Math.max(1, Math.round(share * distinct.length));
      return [target, distinct[number - 1] as string] as const;
    }),
  );
  return (i) => (hashOf(i) ?? '') <= (last.get((files[i] as PictureFile).target) ?? '');
}

/**
 * The samples that belong to a part and could be read, in their order.
 * @param how copied, or moved to the beginning of the memory that they are in, where others are lost
 */
function partOf(
  files: readonly PictureFile[],
  { samples, shape, results }: ReadPictures,
  isOwn: (i: number) => boolean,
  how: 'copied' | 'moved',
): Split {
  const bytes = shape.maps * shape.height * shape.width;
  const own = results.flatMap((result, i) => ('sha256' in result && isOwn(i) ? [i] : []));
  const inputs = how === 'copied' ? new Uint8Array(own.length * bytes) : samples.subarray(0, own.length * bytes);
  for (const [to, from] of own.entries()) inputs.set(samples.subarray(from * bytes, (from + 1) * bytes), to * bytes);
  return { inputs, targets: Uint16Array.from(own, (i) => (files[i] as PictureFile).target), count: own.length };
}
