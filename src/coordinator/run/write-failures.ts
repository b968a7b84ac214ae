import type { Print } from '../../shared/util/notice.ts';

/** What of a run is written while it trains, as people read it. */
export type Written = 'steps.jsonl' | 'old parts of steps.jsonl' | 'checkpoints' | "TensorBoard's event files";

/**
 * Reports what can't be written, once for all that fails for the same reason, and that it is over. A full disk fails the writers of
 * a run one after the other, again and again.
 */
export class WriteFailures {
  readonly #print: Print;
  /** The reasons of those that wait. */
  readonly #waiting = new Map<Written, string>();
  /** What is written again, since the first failure. */
  readonly #recovered = new Map<Written, string>();

  constructor(print: Print) {
    this.#print = print;
  }

  /** Called at each failure to write something that is tried again. */
  failed(what: Written, error: Error): void {
    const reason = reasonOf(error);
    const isKnown = [...this.#waiting.values()].includes(reason);
    this.#waiting.set(what, reason);
    this.#recovered.delete(what);
    if (isKnown) return;
    this.#print(`WAITING FOR THE DISK: ${error.message} Training continues, and writing is tried again.`, 'warn');
  }

  /** Called at each success. @param how says what is on the disk, such as `with every line` */
  succeeded(what: Written, how: string): void {
    if (!this.#waiting.delete(what)) return;
    this.#recovered.set(what, how);
    if (this.#waiting.size > 0) return;
    const all = [...this.#recovered].map(([each, how]) => `${each}, ${how}`).join('; ');
    this.#recovered.clear();
    this.#print(`The disk is written again: ${all}.`, 'warn');
  }

  /** It isn't tried any more, for which its writer has a line of its own. */
  ended(what: Written): void {
    this.#waiting.delete(what);
  }
}

/** The system's code of an error or of one that caused it; its message if there is none. */
function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  // Errors of this package have codes of their own, which say less.
  if (code !== undefined && /^E[A-Z0-9]+$|^Unknown system error/.test(code)) return code;
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
