import { printable } from '../../shared/util/printable.ts';

const MAX_NAME = 64;
const MAX_QUOTED = 80;

/** Names of a spec: valid, and each given once. */
export class NameTable {
  readonly #taken: Set<string>;
  readonly #counts = new Map<string, number>();

  constructor(taken: readonly string[]) {
    this.#taken = new Set(taken);
  }

  /** @param otherwise the name if nothing of `wish` can stand in one */
  unique(wish: string, otherwise: string): string {
    const valid = wish
      .slice(0, 4 * MAX_NAME)
      .replaceAll(/[^A-Za-z0-9_.-]+/g, '_')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, MAX_NAME);
    const base = valid === '' ? otherwise : valid;
    let name = base;
    let count = this.#counts.get(base) ?? 1;
    while (this.#taken.has(name)) {
      count++;
      const suffix = `_${count}`;
      name = base.slice(0, MAX_NAME - suffix.length) + suffix;
    }
    this.#counts.set(base, count);
    this.#taken.add(name);
    return name;
  }
}

/** A file's own text, or value, in a message: short, and without what a terminal obeys. */
export function quoted(value: unknown): string {
  const isText = typeof value === 'string' && value !== '';
  return printable((isText ? value : `${JSON.stringify(value)}`).slice(0, MAX_QUOTED));
}
