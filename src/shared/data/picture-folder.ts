// Lists a folder of pictures by class. Nothing outside of it is read, and links to folders, which may lead back, aren't followed.
import { type Dirent, realpathSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { ENDINGS } from '../pictures/formats.ts';
import { DatasetError } from '../util/errors.ts';
import { printable } from '../util/printable.ts';
import { MAX_CLASSES } from './limits.ts';

/** Pictures in all classes, and levels of folders in one. */
const MAX_PICTURES = 10_000_000;
const MAX_DEPTH = 8;
/** The names of a folder's parts. */
const TRAIN = 'train';
const TEST = 'test';
/** Classes that a message names. */
const MAX_NAMED = 5;

export interface PictureFile {
  readonly path: string;
  /** From the folder on, with slashes. */
  readonly name: string;
  /** Place in the classes. */
  readonly target: number;
  readonly bytes: number;
  readonly mtimeMs: number;
}

export interface PictureFolder {
  /** By name, in code units, as everywhere. */
  readonly classNames: readonly string[];
  /** By class, and then by name. */
  readonly train: readonly PictureFile[];
  /** undefined: the folder has no part of its own for the test. */
  readonly test: readonly PictureFile[] | undefined;
  /** Files that are no pictures, hidden ones, and links that aren't followed. */
  readonly passedOver: number;
}

/** @throws DatasetError if it isn't a folder of classes */
export async function listPictures(root: string): Promise<PictureFolder> {
  const listing = new Listing(root);
  const parts = await listing.foldersIn(root);
  const isParted = parts.includes(TRAIN) || parts.includes(TEST);
  if (isParted && !parts.includes(TRAIN)) {
    throw bad(
      root,
      `has a folder ${TEST}, but none that is called ${TRAIN}. Expected ${TRAIN}/CLASS/… beside ${TEST}/CLASS/…`,
    );
  }
  const trainFolder = isParted ? join(root, TRAIN) : root;
  const classNames = isParted ? await listing.foldersIn(trainFolder) : parts;
  checkClasses(classNames, trainFolder);
  const train = await listing.filesOf(trainFolder, classNames, classNames);
  let test: PictureFile[] | undefined;
  if (parts.includes(TEST)) {
    const testFolder = join(root, TEST);
    const tested = await listing.foldersIn(testFolder);
    const unknown = tested.filter((name) => !classNames.includes(name));
    if (unknown.length > 0) {
      throw bad(
        testFolder,
        `has the ${named('class', unknown)}, which ${TRAIN} lacks. Remove what has no class to be learned`,
      );
    }
    if (tested.length === 0)
      throw bad(testFolder, 'has no folder of a class. Remove it, or put the test pictures there');
    test = await listing.filesOf(testFolder, tested, classNames);
  }
  if (isParted) listing.passedOver += parts.length - (test === undefined ? 1 : 2);
  return { classNames, train, test, passedOver: listing.passedOver };
}

function checkClasses(names: readonly string[], folder: string): void {
  if (names.length === 0) throw bad(folder, 'has no folders. Put the pictures of each class into a folder of its own');
  if (names.length === 1) {
    throw bad(folder, `has the ${named('class', names)} alone. Expected two classes or more: a folder for each`);
  }
  if (names.length > MAX_CLASSES) throw bad(folder, `has ${names.length} classes, more than ${MAX_CLASSES}. Use fewer`);
}

/** Names of classes for a message. */
export function named(what: string, names: readonly string[]): string {
  const few = names.slice(0, MAX_NAMED).map(printable).join(', ');
  const rest = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  return `${what}${names.length === 1 ? '' : 'es'} ${few}${rest}`;
}

export function bad(folder: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(`${folder} ${problem}.`, { file: folder, cause });
}

class Listing {
  passedOver = 0;
  readonly #root: string;
  /** Without links, to tell what lies in it. */
  readonly #inside: string;
  #pictures = 0;

  constructor(root: string) {
    this.#root = root;
    this.#inside = realpathSync(root) + sep;
  }

  /** The names of the folders right below one, in order; what else is there is passed over. */
  async foldersIn(folder: string): Promise<string[]> {
    const entries = await entriesOf(folder);
    const names = entries.filter((entry) => entry.isDirectory() && !isHidden(entry)).map(({ name }) => name);
    this.passedOver += entries.length - names.length;
    return names;
  }

  /** @throws DatasetError if a class has no picture */
  async filesOf(folder: string, names: readonly string[], classNames: readonly string[]): Promise<PictureFile[]> {
    const files: PictureFile[] = [];
    const empty: string[] = [];
    for (const name of names) {
      const before = files.length;
      await this.#add(join(folder, name), { target: classNames.indexOf(name), depth: 0 }, files);
      if (files.length === before) empty.push(name);
    }
    if (empty.length > 0) {
      throw bad(folder, `has no picture of the ${named('class', empty)}. Remove empty folders, or put pictures there`);
    }
    return files;
  }

  async #add(folder: string, place: { target: number; depth: number }, files: PictureFile[]): Promise<void> {
    for (const entry of await entriesOf(folder)) {
      const path = join(folder, entry.name);
      if (!isHidden(entry) && entry.isDirectory() && place.depth < MAX_DEPTH) {
        await this.#add(path, { ...place, depth: place.depth + 1 }, files);
        continue;
      }
      const found =
        isHidden(entry) || !ENDINGS.has(extname(entry.name).toLowerCase()) ? undefined : this.#fileAt(entry, path);
      if (found === undefined) {
        this.passedOver++;
        continue;
      }
      this.#pictures++;
      if (this.#pictures > MAX_PICTURES) throw bad(this.#root, `has more than ${MAX_PICTURES} pictures. Use fewer`);
      files.push({ path, name: relative(this.#root, path).replaceAll(sep, '/'), target: place.target, ...found });
    }
  }

  /** A file's size and time; undefined if it is none, or a link that leaves the folder. */
  #fileAt(entry: Dirent, path: string): { bytes: number; mtimeMs: number } | undefined {
    try {
      if (entry.isSymbolicLink() && !realpathSync(path).startsWith(this.#inside)) return undefined;
      const found = statSync(path);
      return found.isFile() ? { bytes: found.size, mtimeMs: found.mtimeMs } : undefined;
    } catch {
      return undefined;
    }
  }
}

/** In the order of their names' code units. */
async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return (await readdir(folder, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw bad(folder, `can't be read (${(error as Error).message}). Correct its rights`, error);
  }
}

function isHidden({ name }: Dirent): boolean {
  return name.startsWith('.');
}
