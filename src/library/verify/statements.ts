import { STEPS } from '../../coordinator/run/files.ts';
import type { Attempt, Manifest } from '../../coordinator/run/manifest.ts';
import type { SavedState } from '../../coordinator/run/own-checkpoint.ts';
import { isOver, type Summary } from '../../coordinator/run/summary.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { bestBy, stopsEarly, type ValidationState } from '../../shared/checkpoint/validation-state.ts';
import { EVALUATION_FIELDS } from '../../shared/live/step-scalars.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';

/** A value in run.json that something else contradicts. */
export interface Contradiction {
  /** The path of the value, such as `result.steps`. */
  readonly field: string;
  /** What it is, and what the other says. */
  readonly problem: string;
}

/** What the log and the checkpoints say of a run. */
export interface Evidence {
  /** The log's last line. */
  readonly last: StepRecord | undefined;
  /** The last line with an evaluation from the step on at which the last attempt began. */
  readonly evaluated: StepRecord | undefined;
  /** Undefined if the log doesn't say it. */
  readonly validation: ValidationState | undefined;
  /** The checkpoint after the last step. */
  readonly end: SavedState | undefined;
}

/** What run.json says twice in different ways, or what can't be. @param dataset the name of the data set with the run's digest */
export function contradictionsWithin(manifest: Manifest, dataset: string): Contradiction[] {
  const named = unlike('dataset', manifest.dataset, 'the data set', dataset);
  return [...named, ...repeated(manifest), ...misplaced(manifest), ...disordered(manifest)];
}

/** What run.json says otherwise than the log and the checkpoints. */
export function contradictionsTo({ last, evaluated, validation, end }: Evidence, manifest: Manifest): Contradiction[] {
  const { state, config, attempts, result } = manifest;
  if (state === 'running') return [];
  const attempt = attempts.at(-1);
  const logged = last?.step ?? 0;
  // An attempt that did no step leaves the log as it is, which may end before: the step there may have no line.
  const isThere = attempt?.steps !== attempt?.from || logged > (attempt?.steps ?? 0);
  const steps = isThere ? unlike(`attempts.${attempts.length - 1}.steps`, attempt?.steps, STEPS, logged) : [];
  if (result === undefined) return steps;
  // An evaluation that an earlier attempt abandoned has no line; it is compared with the one that is computed again.
  const from = attempts.at(-1)?.from;
  const isLogged = evaluated !== undefined || (from !== config.iterations && from !== result.testedAt);
  const found = isLogged ? evaluated : result;
  return [
    ...steps,
    ...unlike('result.trainLoss', result.trainLoss, STEPS, logged === result.steps ? last?.loss : undefined),
    ...unlike('result.testedAt', result.testedAt, STEPS, isLogged ? evaluated?.step : from),
    ...EVALUATION_FIELDS.flatMap((key) => unlike(`result.${key}`, result[key], STEPS, found?.[key])),
    ...(validation === undefined ? [] : earlyStop(validation, manifest, result)),
    ...(end === undefined
      ? []
      : [
          ...unlike('result.weightsSha256', result.weightsSha256, 'the last checkpoint', end.weightsSha256),
          ...unlike('chain', manifest.chain, 'the last checkpoint', end.chain),
        ]),
  ];
}

/** What run.json says of the validation losses. */
function earlyStop(validation: ValidationState, { config }: Manifest, result: Summary): Contradiction[] {
  const isEarly = stopsEarly(validation, result.steps, config);
  const text = (value: ValidationState['best']): string | undefined => value && canonicalJson(value);
  return [
    ...unlike('result.best', text(result.best), STEPS, text(bestBy(config.keepBest, validation))),
    ...unlike('result.stoppedEarly', result.stoppedEarly, STEPS, isEarly || undefined),
  ];
}

/** Values that stand in two places. */
function repeated({ started, ended, config, attempts, chain, dataset, result }: Manifest): Contradiction[] {
  const [first, last, n] = [attempts[0] as Attempt, attempts.at(-1) as Attempt, attempts.length - 1];
  return [
    ...unlike('started', started, 'attempts.0.started', first.started),
    ...unlike('ended', ended, `attempts.${n}.ended`, last.ended),
    ...unlike('config.iterations', config.iterations, `attempts.${n}.iterations`, last.iterations),
    ...unlike('config.logEvery', config.logEvery, `attempts.${n}.logEvery`, last.logEvery ?? 1),
    ...unlike('config.workers', config.workers, `attempts.${n}.workers`, last.workers),
    ...(result === undefined
      ? []
      : [
          ...unlike('result.steps', result.steps, `attempts.${n}.steps`, last.steps),
          ...unlike('result.chain', result.chain, 'chain', chain),
          ...unlike('result.workers', result.workers, 'config.workers', config.workers),
          ...unlike('result.backend', result.backend, 'config.backend', config.backend),
          ...unlike('result.seed', result.seed, 'config.seed', config.seed),
          ...unlike('result.dataset', result.dataset, 'dataset', dataset),
        ]),
  ];
}

/** Values that a run of this state lacks or must have. */
function misplaced({ state, ended, attempts, chain, failure, result, config }: Manifest): Contradiction[] {
  const [last, n] = [attempts.at(-1) as Attempt, attempts.length - 1];
  const [isEnded, hasFailed] = [state !== 'running', state === 'failed'];
  const fields: readonly (readonly [string, unknown, boolean])[] = [
    ['ended', ended, isEnded],
    [`attempts.${n}.ended`, last.ended, isEnded],
    [`attempts.${n}.steps`, last.steps, isEnded],
    ['chain', chain, isEnded],
    ['failure', failure, hasFailed],
    ['result', result, isEnded && !hasFailed],
  ];
  const wrong = fields.filter(([, value, isExpected]) => (value !== undefined) !== isExpected);
  const isWhole = result !== undefined && isOver(result, config.iterations) && result.testedAt === result.steps;
  const whole = isWhole ? 'finished' : 'stopped';
  return [
    ...wrong.map(([field, value]) => {
      return { field, problem: `is ${value === undefined ? 'missing' : 'there'}, but the state is ${state}` };
    }),
    ...(result === undefined || hasFailed || !isEnded ? [] : unlike('state', state, 'a run with this result', whole)),
  ];
}

/** Numbers of steps that no sequence of attempts has. */
function disordered({ attempts, config }: Manifest): Contradiction[] {
  return attempts.flatMap(({ from, ended, steps, iterations }, i) => {
    const before = attempts[i - 1];
    const path = `attempts.${i}`;
    const isHalf = (steps === undefined) !== (ended === undefined);
    return [
      ...(isHalf
        ? [{ field: `${path}.steps`, problem: `is ${steps ?? 'missing'}, but ${path}.ended is ${ended ?? 'missing'}` }]
        : []),
      ...(i === 0 ? unlike(`${path}.from`, from, 'a new run', 0) : []),
      ...above(`${path}.from`, from, `attempts.${i - 1}.steps`, before?.steps),
      ...above(`${path}.from`, from, `${path}.steps`, steps),
      ...above(`${path}.steps`, steps, `${path}.iterations`, iterations),
      ...above(`attempts.${i - 1}.iterations`, before?.iterations, `${path}.iterations`, iterations),
      ...(config.schedule === 'cosine'
        ? unlike(`${path}.iterations`, iterations, 'the schedule', config.iterations)
        : []),
    ];
  });
}

function unlike(field: string, stated: unknown, source: string, found: unknown): Contradiction[] {
  const problem = `is ${stated ?? 'missing'}, but ${source} has ${found ?? 'none'}`;
  return Object.is(stated, found) ? [] : [{ field, problem }];
}

function above(field: string, stated: number | undefined, source: string, most: number | undefined): Contradiction[] {
  const problem = `is ${stated}, but ${source} has ${most}`;
  return stated === undefined || most === undefined || stated <= most ? [] : [{ field, problem }];
}
