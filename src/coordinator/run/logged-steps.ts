import { isEvaluated } from '../../shared/live/step-scalars.ts';
import type { StepRecord } from '../train/observer.ts';
import { earlyStep, roundEnd } from '../train/schedule.ts';
import { type Attempt, attemptOf, type Manifest } from './manifest.ts';

/** Whether a step has a line in a log with a line every `every` steps. */
export function hasLine(record: StepRecord, every: number): boolean {
  const { step, chain, weightsSha256 } = record;
  return step === 1 || step % every === 0 || (chain ?? weightsSha256) !== undefined || isEvaluated(record);
}

/** Which steps of a run have lines in its log, according to its run.json. */
export class LoggedSteps {
  readonly #manifest: Pick<Manifest, 'attempts' | 'config'>;

  constructor(manifest: Pick<Manifest, 'attempts' | 'config'>) {
    this.#manifest = manifest;
  }

  /** Whether a record's line is there for good: that of the step at which an attempt ended may be there until the run continues. */
  isDue(record: StepRecord): boolean {
    const { attempts } = this.#manifest;
    return hasLine(record, attempts[attemptOf(record.step, attempts) - 1]?.logEvery ?? 1);
  }

  /** The first step from `from` to `to` whose line must be there; undefined: none. */
  first(from: number, to: number): number | undefined {
    const { attempts } = this.#manifest;
    for (let begin = from; begin <= to; ) {
      const index = attemptOf(begin, attempts) - 1;
      // Later attempts began behind this step, or they would have written it.
      const ends = attempts.slice(index + 1).map((later) => later.from);
      const end = Math.min(to, ...ends);
      const found = this.#candidates(begin, index).filter((step) => step >= begin && step <= end);
      if (found.length > 0) return Math.min(...found);
      begin = end + 1;
    }
    return undefined;
  }

  /** About how many lines there must be at least after step `from`, up to `to`. */
  count(from: number, to: number): number {
    const { hashEvery, syncEvery } = this.#manifest.config;
    const { attempts } = this.#manifest;
    const every = Math.max(1, ...attempts.map(({ logEvery = 1 }) => logEvery));
    const within = (interval: number): number => Math.floor(to / interval) - Math.floor(from / interval);
    return Math.max(within(every), hashEvery === 0 ? 0 : within(Math.max(hashEvery, syncEvery)));
  }

  #candidates(step: number, index: number): number[] {
    const { attempts, config } = this.#manifest;
    const { logEvery = 1, iterations } = attempts[index] ?? ({ iterations: config.iterations } as Attempt);
    // run.json has only the last attempt's intervals.
    const own = index === attempts.length - 1 ? [config.evaluateEvery, config.checkpointEvery] : [];
    const rounds = { ...config, iterations };
    // What falls due within a round has its line at the end.
    const due = [config.hashEvery, ...own].filter((every) => every > 0);
    const ends = due.flatMap((every) => {
      return [Math.floor, Math.ceil].map((round) => roundEnd(rounds, Math.max(1, round(step / every) * every)));
    });
    return [1, earlyStep(rounds), iterations, Math.ceil(step / logEvery) * logEvery, ...ends];
  }
}
