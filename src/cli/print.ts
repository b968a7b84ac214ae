import { printable } from '../shared/util/printable.ts';

/** Prints a line on standard error: what a command reports beside its result, which is on standard output. */
export function print(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}

/** Prints the lines of a command's result for a person. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(lines.map((line) => `${printable(line)}\n`).join(''));
}

/** Prints a command's result for a program. */
export function printJson(value: unknown): void {
  process.stdout.write(`${jsonOf(value)}\n`);
}

/** JSON in which the control characters that it may hold as they are, and terminals obey, are escaped. */
export function jsonOf(value: unknown): string {
  const escaped = (control: string): string => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replaceAll(/[\u007f-\u009f]/g, escaped);
}
