import { printable } from '../shared/util/printable.ts';

/** Prints a line on standard error: what a command reports beside its result, which is on standard output. */
export function print(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Prints the lines of a command's result for a person. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(''));
}

/** Where a command's result for a program goes; undefined: to standard output. */
let jsonTarget: ((text: string) => void) | undefined;

/** Sends the result for a program somewhere else. @param target undefined: to standard output again */
export function sendJsonTo(target: ((text: string) => void) | undefined): void {
  jsonTarget = target;
}

/** Writes a piece of a command's result for a program. */
export function writeJson(text: string): void {
  if (jsonTarget === undefined) process.stdout.write(text);
  else jsonTarget(text);
}

/** Prints a command's result for a program. */
export function printJson(value: unknown): void {
  writeJson(`${jsonOf(value)}\n`);
}

/** JSON in which the control characters that it may hold as they are, and terminals obey, are escaped. */
export function jsonOf(value: unknown): string {
  const escaped = (control: string): string => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replaceAll(/[\u007f-\u009f]/g, escaped);
}
