import { attemptOf, type Manifest } from '../../coordinator/run/manifest.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { dueAt } from '../../coordinator/train/schedule.ts';
import { EVALUATION_FIELDS, isEvaluated, isMeasured, UPDATE_FIELDS } from '../../shared/live/step-scalars.ts';
import { headOf } from '../../shared/model/kinds.ts';
import { specOf } from '../../shared/model/registry.ts';

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
    const { step, weightsSha256, chain } = record;
    const { attempts, config } = this.#manifest;
    const { hasAccuracy } = headOf(specOf(config).head);
    const run = { hasAccuracy, hasValidation: config.validation > 0, hasReplicas: config.replicas > 1 };
    const number = attemptOf(step, attempts);
    const isLast = number === attempts.length;
    const { iterations } = attempts[number - 1] ?? config;
    // run.json has only the last attempt's intervals, but every attempt has the same links.
    const intervals = isLast ? config : { ...config, iterations, evaluateEvery: 0, checkpointEvery: 0 };
    const due = dueAt(intervals, step);
    const isTested = isEvaluated(record);
    const isDue = due.evaluation && !(this.#ends.has(step) && !isTested);
    const isHashed = due.evaluation || due.checkpoint || due.link || isTested;
    const fields: readonly (readonly [string, unknown, needed: boolean, allowed: boolean])[] = [
      ...UPDATE_FIELDS.map((key) => [key, record[key], isMeasured(key, run), isMeasured(key, run)] as const),
      ...EVALUATION_FIELDS.map((key) => {
        const isOwn = isMeasured(key, run);
        return [key, record[key], isOwn && (isDue || isTested), isOwn && (due.evaluation || !isLast)] as const;
      }),
      ['weightsSha256', weightsSha256, isHashed, isHashed || !isLast],
      ['chain', chain, due.link, due.link],
    ];
    for (const [name, value, needed, allowed] of fields) {
      if (value === undefined && needed) return `step ${step} lacks ${name}, which was due${this.#intervals}`;
      if (value !== undefined && !allowed) return `step ${step} has ${name}, which wasn't due${this.#intervals}`;
    }
    return undefined;
  }

  /** Whether an attempt ended before its last step's evaluation, which a later one does without another line. */
  isAbandoned(record: StepRecord): boolean {
    return this.#ends.has(record.step) && dueAt(this.#manifest.config, record.step).evaluation && !isEvaluated(record);
  }

  get #intervals(): string {
    const { evaluateEvery, checkpointEvery, hashEvery } = this.#manifest.config;
    return ` (run.json: evaluateEvery ${evaluateEvery}, checkpointEvery ${checkpointEvery}, hashEvery ${hashEvery})`;
  }
}
