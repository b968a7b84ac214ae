import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { parseIdx } from '../../shared/data/idx.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { DIGIT_SIDE, lightOnDark, toDigit } from '../activations/digit.ts';
import type { ReadImage } from '../images/thread.ts';

const PICTURES: ReadonlySet<string> = new Set(['.png', '.jpg', '.jpeg']);
/** What a packed file starts with. */
const GZIP = Buffer.from([0x1f, 0x8b]);
/** The most bytes of an IDX file, unpacked: ten times MNIST's largest. */
const MAX_IDX_BYTES = 512 * 2 ** 20;

/**
 * The picture files of paths, in order: a folder stands for the PNG and JPEG files right below it, by name. Hidden ones are passed
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
    const all = (await readdir(path)).filter((name) => PICTURES.has(extname(name).toLowerCase()));
    const names = all.filter((name) => !name.startsWith('.'));
    const hidden = all.length - names.length;
    if (names.length === 0) {
      const rest = hidden === 0 ? '' : ` but ${hiddenText(hidden)}`;
      throw new UsageError(`The folder ${path} holds no PNG or JPEG picture${rest}.`);
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

/**
 * One image of an IDX file, packed or not; an image of 28x28 is used as it is, but with light ink on dark; others are brought to that form.
 * @throws UsageError if the file or the index can't be used; DatasetError if it is damaged
 */
export async function idxImage(path: string, index: number): Promise<ReadImage> {
  const bytes = await unpacked(path);
  const { shape, data } = parseIdx(bytes, path, 'Name one IDX file of images; PNG and JPEG pictures need no --index.');
  const [count = 0, height = 0, width = 0] = shape;
  if (shape.length !== 3 || data.length === 0) {
    throw new UsageError(`${path} holds an array of ${shape.join('x')}: expected images, such as 10000x28x28.`);
  }
  if (index >= count) throw new UsageError(`--index: expected 0 to ${count - 1}, as ${path} has it, but got ${index}.`);
  const image = { width, height, data: data.slice(index * height * width, (index + 1) * height * width) };
  const digit = height === DIGIT_SIDE && width === DIGIT_SIDE ? lightOnDark(image) : toDigit(image);
  return digit === undefined ? { problem: 'nothing is drawn on it' } : { digit };
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
