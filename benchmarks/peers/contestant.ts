import { median } from '#src/cli/bench/median.js';
import type { Measured, Trainer } from './trainer.ts';

/** Steps of a setting's first measurement. */
const FIRST_STEPS = 2;
/** Measurements of each setting from which the fastest one is chosen. */
const TRIES = 3;

/** A trainer with its measurements, in seconds a step. */
export class Contestant {
  readonly trainer: Trainer;
  readonly rounds: Measured[] = [];
  /** Seconds of a round. */
  readonly #seconds: number;
  /** Steps of a round, by setting. */
  readonly #steps = new Map<string, number>();
  readonly #tries = new Map<string, number>();
  #setting: string;

  constructor(trainer: Trainer, seconds: number) {
    this.trainer = trainer;
    this.#seconds = seconds;
    this.#setting = trainer.settings[0] as string;
  }

  /** The fastest one, after `choose`. */
  get setting(): string {
    return this.#setting;
  }

  /** Medians in seconds a step, by setting. */
  get tries(): ReadonlyMap<string, number> {
    return this.#tries;
  }

  /** Lets engines compile, finds how many steps make a round, and takes the fastest of the settings that work. */
  async choose(settings: readonly string[]): Promise<void> {
    for (const setting of settings) await this.#warmUp(setting);
    const times = settings.map((): number[] => []);
    for (let round = 0; settings.length > 1 && round < TRIES; round++) {
      for (const [i, setting] of settings.entries()) {
        const steps = Math.max(1, Math.round((this.#steps.get(setting) ?? 1) / 2));
        times[i]?.push((await this.trainer.measure(setting, steps)).seconds / steps);
      }
    }
    for (const [i, setting] of settings.entries()) this.#tries.set(setting, median(times[i] ?? []));
    const ranked = [...settings].sort((a, b) => (this.#tries.get(a) ?? 0) - (this.#tries.get(b) ?? 0));
    this.#setting = ranked[0] ?? this.#setting;
  }

  async measure(): Promise<void> {
    const steps = this.#steps.get(this.#setting) ?? 1;
    const { seconds, processor } = await this.trainer.measure(this.#setting, steps);
    this.rounds.push({ seconds: seconds / steps, processor: processor / steps });
  }

  /** Seconds of the clock. */
  get median(): number {
    return median(this.rounds.map(({ seconds }) => seconds));
  }

  /** How many times as long a step takes as another's: the median of the rounds' ratios. */
  ratioTo(other: Contestant): number {
    return median(this.rounds.map(({ seconds }, i) => seconds / (other.rounds[i]?.seconds ?? Number.NaN)));
  }

  async #warmUp(setting: string): Promise<void> {
    // What a first step needs besides, such as threads that start, isn't the steps' own time.
    await this.trainer.measure(setting, FIRST_STEPS);
    let steps = FIRST_STEPS;
    let { seconds } = await this.trainer.measure(setting, steps);
    while (seconds < this.#seconds / 2) {
      steps *= 2;
      ({ seconds } = await this.trainer.measure(setting, steps));
    }
    this.#steps.set(setting, Math.max(1, Math.round((steps * this.#seconds) / seconds)));
  }
}
