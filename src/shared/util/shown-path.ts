import { isAbsolute, relative } from 'node:path';
import { callerPath } from './paths.ts';

/** A path as its reader would type it: relative to the caller's folder where it lies below. */
export function shownPath(path: string): string {
  const short = relative(callerPath('.', process.env), path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

/** The same as a word of a command line, which is no option. */
export function typedPath(path: string): string {
  const shown = shownPath(path);
  return shellWord(shown.startsWith('-') ? `./${shown}` : shown);
}

/** An option of a command line with its value; true: a switch. */
export function optionText(flag: string, value: string | true): string {
  if (value === true) return flag;
  return `${flag}${value.startsWith('-') ? '=' : ' '}${shellWord(value)}`;
}

/** A text as one word of a command line. */
export function shellWord(text: string): string {
  if (/^[\w./:@%+,-][\w./:@%+=,-]*$/.test(text)) return text;
  // Whatever can't be printed as it is: bash, zsh and POSIX since 2024 read octal digits there.
  if (/\p{C}/u.test(text)) return `$'${text.replaceAll(/['\\]|\p{C}/gu, octal)}'`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function octal(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

/** As much of a digest as people compare. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
