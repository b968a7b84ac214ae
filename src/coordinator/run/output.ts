// Where a command may write. Each option that names a place for output asks here before anything is written.
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { isRunFile, MARKS } from './files.ts';

/** What a command writes, by which its earlier output is known. */
export interface OutputKind {
  /** Such as "a report of Lockstep". */
  readonly title: string;
  /** @param ends the file's beginning and end, all of it if it is short */
  readonly isOwn: (ends: Buffer) => boolean;
}

export interface Output {
  /** The option that names the place. */
  readonly option: string;
  /** Files of this kind are replaced, or appended to; if it is absent, the file must be new. */
  readonly kind?: OutputKind;
  /** Files that the command reads. */
  readonly inputs?: readonly string[];
  /** Lines are appended, so that a link, a pipe and a device will do. */
  readonly appends?: boolean;
}

/** Bytes of a file's beginning and of its end by which its kind is known. */
const HEAD_BYTES = 1 << 16;
const TAIL_BYTES = 1 << 8;

/**
 * The path of a file that a command may write: a new one or, if the output has a kind, an empty one or one of that kind. It is never a
 * file of a run, an input, a folder, a link or a device.
 * @throws UsageError if it isn't such a path
 */
export function outputFile(path: string, { option, kind, inputs = [], appends = false }: Output): string {
  refuseRunFiles(path, option);
  const found = foundAt(path, { option, follow: appends });
  if (found === undefined) return path;
  const shown = shownPath(path);
  if (kind === undefined) {
    throw new UsageError(
      `${option}: expected the name of a new file, but ${shown} exists. Remove it, or name another.`,
    );
  }
  if (!found.isFile()) {
    if (appends && !found.isDirectory()) return path;
    throw new UsageError(
      `${option} ${shown}: expected a new or existing file, but it is ${typeOf(found)}. Name another file.`,
    );
  }
  if (inputs.some((input) => isSame(found, statSync(input, { throwIfNoEntry: false })))) {
    throw new UsageError(`${option}: ${shown} is what the command reads. Name another place.`);
  }
  if (found.size === 0 || kind.isOwn(endsOf(path, found.size))) return path;
  throw new UsageError(`${option}: ${shown} exists and isn't ${kind.title}. Remove it, or name another.`);
}

/** The path of a file whose folder is made if it is missing. @throws UsageError if that fails */
export function withFolder(path: string, option: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return path;
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`${option}: the folder of ${shownPath(path)} can't be made: ${message}. Name another place.`, {
      cause,
    });
  }
}

/**
 * The path of a folder that a command may fill: a new one or an empty one, and never a place of a run's own files.
 * @throws UsageError if it isn't such a path
 */
export function outputFolder(path: string, option: string): string {
  refuseRunFiles(path, option);
  const found = foundAt(path, { option, follow: true });
  if (found === undefined || (found.isDirectory() && readdirSync(path).length === 0)) return path;
  const problem = found.isDirectory() ? 'holds files already' : `is ${typeOf(found)}`;
  throw new UsageError(
    `${option}: expected a new or empty folder, but ${shownPath(path)} ${problem}. Remove it, or name another.`,
  );
}

/** @throws UsageError if a path leads, by any spelling or link, to where a run keeps its own files */
export function refuseRunFiles(path: string, option: string): void {
  for (const real of new Set([join(realPath(dirname(path)), basename(path)), realPath(path)])) {
    const run = runAround(real);
    if (run === undefined) continue;
    throw new UsageError(
      `${option}: ${shownPath(path)} is a file of the run ${shownPath(run)}, which this would damage. Name another place.`,
    );
  }
}

/** The run among whose own files a path is; undefined if there is none. */
function runAround(path: string): string | undefined {
  for (let below = path, folder = dirname(below); folder !== below; below = folder, folder = dirname(below)) {
    if (isRunFile(basename(below)) && MARKS.some((mark) => existsSync(join(folder, mark)))) return folder;
  }
  return undefined;
}

/** A path without links, as far as it exists. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(realPath(folder), basename(path));
  }
}

function foundAt(path: string, { option, follow }: { option: string; follow: boolean }): Stats | undefined {
  try {
    return (follow ? statSync : lstatSync)(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new UsageError(`${option}: ${shownPath(path)} can't be used: ${message}. Name another place.`, {
      cause: error,
    });
  }
}

function isSame(a: Stats, b: Stats | undefined): boolean {
  return a.dev === b?.dev && a.ino === b.ino;
}

function typeOf(found: Stats): string {
  if (found.isFile()) return 'a file';
  if (found.isDirectory()) return 'a folder';
  return found.isSymbolicLink() ? 'a symbolic link' : 'a pipe or a device';
}

function endsOf(path: string, size: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(Math.min(size, HEAD_BYTES));
    const tail = Buffer.alloc(Math.min(size - head.length, TAIL_BYTES));
    readSync(file, head, 0, head.length, 0);
    readSync(file, tail, 0, tail.length, size - tail.length);
    return Buffer.concat([head, tail]);
  } finally {
    closeSync(file);
  }
}
