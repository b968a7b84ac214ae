import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parseIdx } from '../../shared/data/idx.ts';
import { type Shape, sameShape, shapeText } from '../../shared/model/shape.ts';
import { ENDINGS } from '../../shared/pictures/formats.ts';
import { pixelsOf } from '../../shared/pictures/pixels.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { lightOnDark } from '../images/ink.ts';
import { type Prepared, prepare, takesDrawings } from '../images/prepare.ts';
import type { ImageTask } from '../images/thread.ts';

/** What a packed file starts with. */
const GZIP = Buffer.from([0x1f, 0x8b]);
/** The most bytes of an IDX file, unpacked: ten times MNIST's largest. */
const MAX_IDX_BYTES = 512 * 2 ** 20;

/**
 * The picture files of paths, in order: a folder stands for the pictures right below it, by name. Hidden ones are passed
 * over: macOS writes one beside each file on disks that can't hold its attributes.
 * @param onHidden called with a folder and the number of hidden files in it
 * @throws UsageError if a folder has none
 */
export async function pictureFiles(
  paths: readonly string[],
  onHidden: (folder: string, count: number) => void,
): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) {
      files.push(path);
      continue;
    }
    const all = (await readdir(path)).filter((name) => ENDINGS.has(extname(name).toLowerCase()));
    const names = all.filter((name) => !name.startsWith('.'));
    const hidden = all.length - names.length;
    if (names.length === 0) {
      const rest = hidden === 0 ? '' : ` but ${hiddenText(hidden)}`;
      throw new UsageError(`The folder ${path} holds no picture${rest}.`);
    }
    if (hidden > 0) onHidden(path, hidden);
    files.push(...names.sort(byName).map((name) => join(path, name)));
  }
  return files;
}

/** A number of hidden files. */
export function hiddenText(count: number): string {
  return count === 1 ? '1 hidden file' : `${count} hidden files`;
}

/** 2.png before 10.png, the same in every locale. */
function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1);
}

/** The samples of a model, and how its training set's were made. */
export type SampleForm = Omit<ImageTask, 'file'>;

/**
 * One image of an IDX file, packed or not: [count][height][width] or [count][maps][height][width]. An image of the model's own shape
 * is used as it is, but for a drawing, which becomes light ink on dark; others are prepared as pictures are.
 * @throws UsageError if the file or the index can't be used; DatasetError if it is damaged
 */
export async function idxImage(path: string, index: number, { input, preparation }: SampleForm): Promise<Prepared> {
  const bytes = await unpacked(path);
  const { shape, data } = parseIdx(bytes, path, 'Name one IDX file of images; pictures need no --index.');
  const [count = 0, ...sides] = shape;
  const [width = 0, height = 0, maps = 1] = sides.toReversed();
  if (sides.length < 2 || sides.length > 3 || data.length === 0) {
    const expected = [10_000, ...(input.maps === 1 ? [] : [input.maps]), input.height, input.width].join('x');
    throw new UsageError(`${path} holds an array of ${shape.join('x')}: expected images, such as ${expected}.`);
  }
  if (index >= count) throw new UsageError(`--index: expected 0 to ${count - 1}, as ${path} has it, but got ${index}.`);
  const [own, size] = [{ maps, height, width }, maps * height * width];
  const values = data.slice(index * size, (index + 1) * size);
  if (!sameShape(own, input)) {
    return prepare(pixelsOf(values, { ...own, maps: coloursOf(own, path) }), input, preparation);
  }
  if (!takesDrawings(input, preparation)) return { sample: values };
  const sample = lightOnDark({ width, height, data: values });
  return sample === undefined ? { problem: 'nothing is drawn on it' } : { sample };
}

function coloursOf(shape: Shape, path: string): 1 | 3 {
  if (shape.maps === 1 || shape.maps === 3) return shape.maps;
  throw new UsageError(`${path} holds images of ${shapeText(shape)}: expected one map, or three of colours.`);
}

async function unpacked(path: string): Promise<Uint8Array> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new UsageError(`--index: there is no file ${path}. Name one IDX file of images.`);
  if (found.size > MAX_IDX_BYTES) throw new UsageError(`${path} has ${found.size} bytes, more than ${MAX_IDX_BYTES}.`);
  const bytes = await readFile(path);
  if (!GZIP.equals(bytes.subarray(0, GZIP.length))) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_IDX_BYTES });
  } catch (error) {
    throw new UsageError(`${path} can't be unpacked (${(error as Error).message}). Name another IDX file of images.`, {
      cause: error,
    });
  }
}
