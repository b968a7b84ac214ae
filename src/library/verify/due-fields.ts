import { attemptOf, type Manifest } from '../../coordinator/run/manifest.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { dueAt } from '../../coordinator/train/schedule.ts';

/** Checks that the log's lines have what was due after their steps, and nothing else. */
export class DueFields {
  readonly #manifest: Manifest;
  /** Steps whose evaluation may be missing: it was abandoned if nobody was left to compute it, and the attempt ended. */
  readonly #ends: ReadonlySet<number>;

  constructor(manifest: Manifest) {
    const { attempts, state } = manifest;
    this.#manifest = manifest;
    const ends = attempts.map(({ steps }, i) =>
      state === 'finished' && i === attempts.length - 1 ? undefined : steps,
    );
    this.#ends = new Set([...attempts.map(({ from }) => from), ...ends].filter((step) => step !== undefined));
  }

  /** What is wrong with a line; undefined: nothing. */
  problemOf(record: StepRecord): string | undefined {
    const { step, testAccuracy, testLoss, weightsSha256, chain } = record;
    const { attempts, config } = this.#manifest;
    const number = attemptOf(step, attempts);
    const isLast = number === attempts.length;
    const { iterations } = attempts[number - 1] ?? config;
    // run.json has only the last attempt's intervals, but every attempt has the same links.
    const intervals = isLast ? config : { ...config, iterations, evaluateEvery: 0, checkpointEvery: 0 };
    const due = dueAt(intervals, step);
    const isEvaluated = testAccuracy !== undefined || testLoss !== undefined;
    const isDue = due.evaluation && !(this.#ends.has(step) && !isEvaluated);
    const isHashed = due.evaluation || due.checkpoint || due.link || isEvaluated;
    const fields: readonly (readonly [string, unknown, needed: boolean, allowed: boolean])[] = [
      ['testAccuracy', testAccuracy, isDue || isEvaluated, due.evaluation || !isLast],
      ['testLoss', testLoss, isDue || isEvaluated, due.evaluation || !isLast],
      ['weightsSha256', weightsSha256, isHashed, isHashed || !isLast],
      ['chain', chain, due.link, due.link],
    ];
    for (const [name, value, needed, allowed] of fields) {
      if (value === undefined && needed) return `step ${step} lacks ${name}, which was due${this.#intervals}`;
      if (value !== undefined && !allowed) return `step ${step} has ${name}, which wasn't due${this.#intervals}`;
    }
    return undefined;
  }

  get #intervals(): string {
    const { evaluateEvery, checkpointEvery, hashEvery } = this.#manifest.config;
    return ` (run.json: evaluateEvery ${evaluateEvery}, checkpointEvery ${checkpointEvery}, hashEvery ${hashEvery})`;
  }
}
