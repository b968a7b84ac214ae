/** Prints a line on standard error: what a command reports beside its result, which is on standard output. */
export function print(line: string): void {
  process.stderr.write(`${line}\n`);
}
