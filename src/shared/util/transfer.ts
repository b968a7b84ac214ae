/** Milliseconds before the first line: what is faster needs none. */
const FIRST_MS = 2000;
/** Milliseconds between two lines. */
const LINE_MS = 10_000;
const MEGABYTE = 1e6;
const MINUTE = 60;
const HOUR = 60 * MINUTE;

export interface TransferOptions {
  /** Bytes that are there at the end. */
  readonly total: number;
  /** Bytes that were there at the start. */
  readonly begin: number;
  readonly print: (progress: string) => void;
  /** Milliseconds on a clock that never goes back; replaced by tests. */
  readonly now?: () => number;
}

/** Tells a person every few seconds how far a transfer is and how long it will take, such as "12.4 of 55 MB, about 2 min left". */
export class Transfer {
  readonly #options: TransferOptions;
  readonly #now: () => number;
  readonly #startedAt: number;
  #printsAt: number;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#startedAt = this.#now();
    this.#printsAt = this.#startedAt + FIRST_MS;
  }

  /** So many bytes are there now. */
  reach(bytes: number): void {
    const now = this.#now();
    if (now < this.#printsAt) return;
    this.#printsAt = now + LINE_MS;
    const { total, begin, print } = this.#options;
    const secondsLeft = ((now - this.#startedAt) / 1000) * ((total - bytes) / (bytes - begin));
    print(`${megabytes(bytes)} of ${megabytes(total)} MB, ${timeLeft(secondsLeft)}`);
  }
}

/** Such as 12.4 or 55. */
function megabytes(bytes: number): string {
  return (bytes / MEGABYTE).toFixed(1).replace(/\.0$/, '');
}

function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds)) return 'nothing came yet';
  if (seconds < 10) return 'a few seconds left';
  if (seconds < 1.5 * MINUTE) return `about ${10 * Math.round(seconds / 10)} s left`;
  if (seconds < 1.5 * HOUR) return `about ${Math.round(seconds / MINUTE)} min left`;
  return `about ${Math.round(seconds / HOUR)} h left`;
}
