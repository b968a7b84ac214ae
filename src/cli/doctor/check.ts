import type { MemoryError } from '../../shared/util/errors.ts';

/** What one look at the machine found. */
export interface Check {
  readonly name: string;
  /** note: training works, but something differs from what a person may expect. problem: it doesn't work. */
  readonly status: 'ok' | 'note' | 'problem';
  readonly found: string;
  /** What to do about it; absent if all is well. */
  readonly advice?: string;
}

/** A problem of memory, with the advice that the error has. */
export function memoryProblem(name: string, { lines: [found = '', ...advice] }: MemoryError): Check {
  return { name, status: 'problem', found, advice: advice.join(' ') };
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Such as 512 MiB or 7.6 GiB. */
export function size(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1024 ? `${Math.floor(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
