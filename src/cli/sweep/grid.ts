import { join } from 'node:path';
import { resolveTrainConfig } from '../../shared/config/config.ts';
import { flagOf, type OptionKey } from '../../shared/config/schema.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Flags } from '../definitions/options.ts';

/** Options whose values may have commas of their own: they aren't split, but given several times. */
export const WHOLE_VALUES: ReadonlySet<string> = new Set<OptionKey>([
  'augment',
  'freeze',
  'classWeights',
  'schedule',
  'data',
  'tag',
  'note',
  'notify',
  'checkpointCommand',
]);
/** What a sweep decides itself, or what only one run can have. */
const REFUSED: readonly string[] = ['resume', 'out', 'json', 'listen', 'lockId', 'forceUnlock'];
const RANGE = /^(\d+)\.\.(\d+)$/;
/** What is meant as a range: a number and two dots, which no path begins with. */
const LIKE_RANGE = /^[-+]?\d[\d.e+-]*\.\.[^/\\]*$/i;
const MAX_RUNS = 10_000;
/** Of a run's folder. */
const MAX_NAME = 200;

/** Values by option, such as seed: ['1', '2']. Of a switch: [true]. */
export type Given = Readonly<Record<string, readonly (string | true)[]>>;

/** One run of a sweep. */
export interface SweptRun {
  readonly path: string;
  readonly name: string;
  /** The values of the options that the runs differ in, in the order of the command. */
  readonly values: Readonly<Record<string, string>>;
  /** All options, for `train`. */
  readonly flags: Flags;
}

/** The values of an option as the command line has them: 1..5 and 0.1,0.2 stand for several. */
export function valuesOf(key: string, given: readonly string[]): string[] {
  if (WHOLE_VALUES.has(key)) return [...new Set(given)];
  const values = given.flatMap((text) => text.split(',')).flatMap((text) => rangeOf(key, text.trim()));
  return [...new Set(values)];
}

function rangeOf(key: string, text: string): string[] {
  const [, first, last] = RANGE.exec(text) ?? [];
  if (!LIKE_RANGE.test(text)) return [text];
  const count = Number(last) - Number(first) + 1;
  if (count >= 1 && count <= MAX_RUNS) return Array.from({ length: count }, (_, i) => String(Number(first) + i));
  throw new UsageError(
    `${flagOf(key)}: expected a range of up to ${MAX_RUNS} whole numbers, such as 1..5, or values with commas, but got ${text}.`,
  );
}

/**
 * The runs of a sweep: all combinations, the last option changing fastest.
 * @param folder in which each run has its own
 * @throws UsageError for an option that can't be swept, or a combination that `train` would refuse
 */
export function gridOf(given: Given, folder: string, env: NodeJS.ProcessEnv): SweptRun[] {
  const refused = Object.keys(given).find((key) => REFUSED.includes(key));
  if (refused !== undefined) throw new UsageError(`${flagOf(refused)}: the runs of a sweep can't be given it.`);
  const swept = Object.entries(given).filter(([, values]) => values.length > 1) as [string, string[]][];
  if (swept.length === 0) {
    throw new UsageError('Expected an option with several values, such as --seed 1..5 or --learning-rate 0.001,0.003.');
  }
  const count = swept.reduce((product, [, values]) => product * values.length, 1);
  if (count > MAX_RUNS) throw new UsageError(`Expected at most ${MAX_RUNS} runs, but these values make ${count}.`);
  const fixed = Object.fromEntries(
    Object.entries(given).flatMap(([key, values]) => (values.length === 1 ? [[key, values[0]]] : [])),
  );
  const runs = combinations(swept).map((values) => {
    const name = nameOf(values);
    return { name, path: join(folder, name), values, flags: { ...fixed, ...values } };
  });
  checkRuns(runs, env);
  return runs;
}

function combinations([first, ...others]: readonly [string, string[]][]): Record<string, string>[] {
  if (first === undefined) return [{}];
  const [key, values] = first;
  const rest = combinations(others);
  return values.flatMap((value) => rest.map((more) => ({ [key]: value, ...more })));
}

/** A name for a folder, such as seed-1_learning-rate-0.001. */
function nameOf(values: Readonly<Record<string, string>>): string {
  const words = Object.entries(values).map(([key, value]) => {
    return `${flagOf(key).slice(2)}-${value.replaceAll(/[^\w.+-]+/g, '-')}`;
  });
  return words.join('_').slice(0, MAX_NAME);
}

function checkRuns(runs: readonly SweptRun[], env: NodeJS.ProcessEnv): void {
  const names = new Map<string, SweptRun>();
  for (const run of runs) {
    const other = names.get(run.name);
    if (other !== undefined) {
      throw new UsageError(
        `Two runs would have the folder ${run.name}: give them values that differ in letters or digits.`,
      );
    }
    names.set(run.name, run);
    resolveTrainConfig({ flags: run.flags, env });
  }
}
