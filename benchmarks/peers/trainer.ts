import type { Split } from '#src/shared/data/dataset.js';
import type { ModelLayout } from '#src/shared/model/layout.js';

/** What every program is to train: from the samples' bytes to weights that Adam updates, on one thread. */
export interface Job {
  readonly layout: ModelLayout;
  /** Bytes and classes. */
  readonly train: Split;
  /** Samples of a step. */
  readonly batch: number;
  readonly learningRate: number;
}

/** Seconds of the clock, and those of the processor. */
export interface Measured {
  readonly seconds: number;
  readonly processor: number;
}

/** A program that trains a network. */
export interface Trainer {
  readonly name: string;
  measure(steps: number): Promise<Measured>;
  close(): Promise<void> | void;
}

/** What work takes in this process. */
export async function measured(work: () => unknown): Promise<Measured> {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - begin) / 1e3, processor: (user + system) / 1e6 };
}
