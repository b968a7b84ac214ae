/** Texts that stand for a value that isn't there. */
const MISSING: ReadonlySet<string> = new Set([
  ...['', '?', 'NA', 'N/A', 'n/a', '#N/A', '<NA>', 'NaN', 'nan', 'NULL', 'null', 'None'],
]);

/** What is a number in other tables may be none here: no thousands separators, decimal commas or hexadecimal digits. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function isMissing(cell: string): boolean {
  return MISSING.has(cell);
}

/** The number that a cell has, infinite if it is too large; undefined if it has none. */
export function numberIn(cell: string): number | undefined {
  return NUMBER.test(cell) ? Number(cell) : undefined;
}

/** A column's mean and deviation over its numbers so far, in one pass and in their order (Welford's method). */
export class Moments {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    const before = value - this.#mean;
    this.#mean += before / ++this.#count;
    this.#squares += before * (value - this.#mean);
  }

  get count(): number {
    return this.#count;
  }

  get mean(): number {
    return this.#mean;
  }

  /** Of the whole population; 1 if all numbers are the same. */
  get deviation(): number {
    return Math.sqrt(this.#squares / this.#count) || 1;
  }
}
