import { isAbsolute, relative } from 'node:path';
import { callerPath } from './paths.ts';

/** A path as its reader would type it: relative to the caller's folder where it lies below. */
export function shownPath(path: string): string {
  const short = relative(callerPath('.', process.env), path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

/** The same as a word of a command line. */
export function typedPath(path: string): string {
  return shellWord(shownPath(path));
}

/** A text as one word of a command line. */
export function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** As much of a digest as people compare. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
