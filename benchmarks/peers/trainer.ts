import type { Split } from '#src/shared/data/dataset.js';
import type { ModelLayout } from '#src/shared/model/layout.js';

/** What every program is to train: from the samples' bytes to weights that Adam updates. */
export interface Job {
  readonly layout: ModelLayout;
  /** Bytes and classes. */
  readonly train: Split;
  /** Samples of a step. */
  readonly batch: number;
  readonly learningRate: number;
  /** [parameters] in flat order: the initial weights. */
  readonly weights: Float32Array;
}

/** Seconds of the clock, and those of the processor. */
export interface Measured {
  readonly seconds: number;
  readonly processor: number;
}

export const PEERS = ['lockstep', 'pytorch', 'tensorflow', 'tfjs'] as const;
export type Peer = (typeof PEERS)[number];

/** A program that trains a network with a number of threads. */
export interface Trainer {
  readonly peer: Peer;
  /** As the tables have it. */
  readonly name: string;
  readonly threads: number;
  /** What may make it faster; the fastest one is measured. At least one; the first is the plain one. */
  readonly settings: readonly string[];
  /** Versions by the programs' names. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /**
   * The losses of the first steps from the initial weights, on the first batch of the samples and without dropout.
   * @throws UnavailableError if this setting doesn't work here
   */
  losses(setting: string, steps: number): Promise<readonly number[]>;
  measure(setting: string, steps: number): Promise<Measured>;
  close(): Promise<void> | void;
}

/** A setting that doesn't work here. */
export class UnavailableError extends Error {}

/** What work takes in this process. */
export async function measured(work: () => unknown): Promise<Measured> {
  const [begin, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - begin) / 1e3, processor: (user + system) / 1e6 };
}

/** The same network without dropout, whose random numbers differ from program to program. Its tensors are the same objects. */
export function withoutDropout(layout: ModelLayout): ModelLayout {
  const layers = layout.layers.map((layer) =>
    layer.spec.kind === 'dropout' ? { ...layer, spec: { ...layer.spec, rate: 0 } } : layer,
  );
  return { ...layout, layers, spec: { ...layout.spec, layers: layers.map(({ spec }) => spec) } };
}
