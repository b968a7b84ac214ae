import { isSameOption, shownOption } from '../../shared/config/compare-options.ts';
import { BITS } from '../../shared/config/config.ts';
import { flagOf } from '../../shared/config/schema.ts';
import type { StepRecord } from '../train/observer.ts';
import { LoggedSteps } from './logged-steps.ts';
import type { Manifest } from './manifest.ts';
import { FIELDS_ALWAYS, FIELDS_TAKEN } from './step-lines.ts';
import { readSteps } from './step-reader.ts';

/** A value of run A and one of run B. */
export type Both<T> = readonly [T, T];

/** A difference between two runs in something that decides the bits. */
export interface Cause {
  readonly what: 'option' | 'data' | 'kernel' | 'init';
  readonly name: string;
  /** A digest is accompanied by names and versions. Undefined for initial weights that were drawn from the seed. */
  readonly values: Both<unknown>;
}

/** The first step that two runs have otherwise. */
export interface Difference {
  /** Updates done. */
  readonly step: number;
  readonly fields: Readonly<Partial<Record<Field, Both<unknown>>>>;
}

/** What two logs have in common. */
export interface Comparison {
  /** Number of equal steps before the first that differs, among those that both logs have. */
  readonly steps: number;
  /** The first step that differs. */
  readonly first?: Difference;
  /** The run whose log is longer, and its last step. */
  readonly goesOn?: { readonly run: 'A' | 'B'; readonly step: number };
  /** Number of steps that each log lacks although it has later ones, and their lines were due there. */
  readonly lacking: Both<number>;
}

export type Field = (typeof FIELDS_ALWAYS | typeof FIELDS_TAKEN)[number];

/** All differences between two runs in what decides the bits. */
export function causesOf([a, b]: Both<Manifest>): Cause[] {
  // The path of initial weights doesn't decide them; their digest is compared below.
  const options = BITS.filter((key) => key !== 'init' && !isSameOption(key, a.config, b.config));
  const causes: Cause[] = options.map((key) => {
    return { what: 'option', name: flagOf(key), values: [shownOption(key, a.config), shownOption(key, b.config)] };
  });
  const data = ({ dataset, digests }: Manifest) => ({ name: dataset, sha256: digests.dataset });
  const kernel = ({ digests, versions }: Manifest) => {
    return { sha256: digests.numerics, lockstep: versions.lockstep, node: versions.node };
  };
  if (data(a).sha256 !== data(b).sha256) causes.push({ what: 'data', name: 'data set', values: [data(a), data(b)] });
  if (kernel(a).sha256 !== kernel(b).sha256) {
    causes.push({ what: 'kernel', name: 'numerics', values: [kernel(a), kernel(b)] });
  }
  causes.push({ what: 'init', name: 'initial weights', values: [a.digests.init, b.digests.init] });
  return causes.filter(({ values }) => !Object.is(values[0], values[1]));
}

/** Whether one of the causes can make a step's loss or weights differ. */
export function explains(causes: readonly Cause[], manifests: Both<Manifest>): boolean {
  const without = new Set([flagOf('hashEvery'), flagOf('patience')]);
  if (manifests.every(({ config }) => config.schedule !== 'cosine')) without.add(flagOf('iterations'));
  return causes.some(({ name }) => !without.has(name));
}

/** The fields of a step that two runs have in common. */
export function comparableFields([a, b]: Both<Manifest>): readonly Field[] {
  const all = [...FIELDS_ALWAYS, ...FIELDS_TAKEN];
  // With links at other steps, the chains differ although the weights are the same.
  return a.config.hashEvery === b.config.hashEvery ? all : all.filter((field) => field !== 'chain');
}

/** A run's log, and the steps that have lines there. */
export interface Compared {
  readonly log: string;
  readonly manifest: Manifest;
}

/**
 * Compares two logs step by step, up to the first difference, at the steps that both have.
 * @throws RunDirectoryError if one can't be read
 */
export async function compareSteps(runs: Both<Compared>, fields: readonly Field[]): Promise<Comparison> {
  const [a, b] = [readSteps(runs[0].log), readSteps(runs[1].log)];
  const logged = [new LoggedSteps(runs[0].manifest), new LoggedSteps(runs[1].manifest)] as const;
  try {
    return await compare([a, b], logged, fields);
  } finally {
    await Promise.all([a.return(), b.return()]);
  }
}

type Steps = AsyncGenerator<StepRecord, void, undefined>;

async function compare([a, b]: Both<Steps>, logged: Both<LoggedSteps>, fields: readonly Field[]): Promise<Comparison> {
  const isDue = (run: 0 | 1, step: number): boolean => logged[run].first(step, step) !== undefined;
  let steps = 0;
  const lacking: [number, number] = [0, 0];
  let [left, right] = [await next(a), await next(b)];
  while (left !== undefined && right !== undefined) {
    // A log may lack steps, for example by --log-every, or if its disk was full for a while.
    if (left.step < right.step) {
      if (isDue(1, left.step)) lacking[1]++;
      left = await next(a);
    } else if (right.step < left.step) {
      if (isDue(0, right.step)) lacking[0]++;
      right = await next(b);
    } else {
      const first = differenceOf([left, right], fields);
      if (first !== undefined) return { steps, first, lacking };
      steps++;
      [left, right] = [await next(a), await next(b)];
    }
  }
  if (left !== undefined) return { steps, goesOn: { run: 'A', step: await lastStep(left, a) }, lacking };
  if (right !== undefined) return { steps, goesOn: { run: 'B', step: await lastStep(right, b) }, lacking };
  return { steps, lacking };
}

async function next(steps: Steps): Promise<StepRecord | undefined> {
  return (await steps.next()).value ?? undefined;
}

async function lastStep(first: StepRecord, rest: Steps): Promise<number> {
  let last = first.step;
  for await (const { step } of rest) last = step;
  return last;
}

function differenceOf([a, b]: Both<StepRecord>, fields: readonly Field[]): Difference | undefined {
  const differing = fields.filter((field) => {
    const isInBoth = a[field] !== undefined && b[field] !== undefined;
    return isInBoth && !Object.is(a[field], b[field]);
  });
  if (differing.length === 0) return undefined;
  return { step: a.step, fields: Object.fromEntries(differing.map((field) => [field, [a[field], b[field]]])) };
}
