import type { StepRecord } from '../coordinator/train/observer.ts';
import { MAX_OWN_SCALARS, OWN_SCALAR_NAME, type OwnValues } from '../shared/live/own-scalars.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';

/** Called once after each step, beside the next one's computation. Undefined: there is no value. */
export type ReadScalar = () => number | undefined;

/** A number of the caller's own that each step is recorded with. */
export interface OwnScalar {
  /** A sentence for TensorBoard. */
  readonly help?: string | undefined;
  readonly read: ReadScalar;
}

/** At most MAX_OWN_SCALARS, by names of at most 64 letters, digits and underscores, which begin with a letter. */
export type OwnScalars = Readonly<Record<string, OwnScalar | ReadScalar>>;

/** Reads a caller's scalars. What can't be read is left out, and told once. */
export class ScalarReader {
  readonly #scalars: ReadonlyMap<string, OwnScalar>;
  readonly #print: Print;
  readonly #told = new Set<string>();

  /** @throws UsageError if there are too many, or a name or function can't be used */
  constructor(scalars: OwnScalars, print: Print) {
    const entries = Object.entries(scalars);
    if (entries.length > MAX_OWN_SCALARS) {
      throw new UsageError(`scalars: expected at most ${MAX_OWN_SCALARS}, but got ${entries.length}. Leave some out.`);
    }
    this.#scalars = new Map(entries.map(([name, scalar]) => [name, checked(name, scalar)]));
    this.#print = print;
  }

  /** What a scalar is; undefined: its caller didn't say. */
  helpOf(name: string): string | undefined {
    return this.#scalars.get(name)?.help;
  }

  /** The record of a step with the scalars as they are now. */
  addTo(record: StepRecord): StepRecord {
    const values: OwnValues = Object.fromEntries(
      [...this.#scalars].flatMap(([name, { read }]) => this.#read(name, read)),
    );
    return Object.keys(values).length === 0 ? record : { ...record, scalars: values };
  }

  #read(name: string, read: ReadScalar): [string, number][] {
    let problem: string;
    try {
      const value: unknown = read();
      if (value === undefined) return [];
      if (typeof value === 'number' && Number.isFinite(value)) return [[name, value]];
      problem = `it gave ${typeof value === 'number' ? value : `a value of type ${typeof value}`}, and not a finite number`;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (!this.#told.has(name))
      this.#print(`The scalar ${name} can't be read: ${problem}. Such steps are recorded without it.`, 'warn');
    this.#told.add(name);
    return [];
  }
}

function checked(name: string, scalar: OwnScalar | ReadScalar): OwnScalar {
  if (!OWN_SCALAR_NAME.test(name)) {
    throw new UsageError(
      `scalars: expected names of at most 64 letters, digits and underscores that begin with a letter, but got ${JSON.stringify(name)}.`,
    );
  }
  const { read, help } = typeof scalar === 'function' ? { read: scalar } : (scalar ?? {});
  if (typeof read === 'function') return { read, help };
  throw new UsageError(`scalars: expected a function for ${name}, or an object with it as read.`);
}
