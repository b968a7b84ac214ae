import type { KernelExports } from '../wasm/exports.ts';

/** An option that is a number: its range, default, unit and meaning. */
export interface NumberOption {
  readonly min: number;
  /** The end of the range: the largest value, or what all values are below. */
  readonly max?: number;
  readonly below?: number;
  readonly default: number;
  /** The unit, for help. */
  readonly value: string;
  readonly help: string;
}

/** What is known of update t before its gradient is used. */
export interface UpdateStep {
  /** From 0. */
  readonly t: number;
  readonly learningRate: number;
  /** The factor that clips the mean gradient: 1 if it isn't clipped. */
  readonly clip: number;
  /** 1 - beta^steps, `steps` from 1: the kernel's, so that it has the same bits everywhere. */
  readonly biasCorrection: (beta: number, steps: number) => number;
}

/** One block of the parameters: pointers into the kernel's memory. What is called next is written, the rest only read. */
export interface UpdateBlock {
  readonly w: number;
  readonly wNext: number;
  readonly m: number;
  readonly mNext: number;
  /** 0 if the optimizer keeps no second moments, as `vNext`. */
  readonly v: number;
  readonly vNext: number;
  /** The mean gradient, unclipped; it may be changed. */
  readonly gradient: number;
  /** Float32s, in whole registers. */
  readonly count: number;
}

/** An optimizer. */
export interface OptimizerKind<Option extends string, Scalars extends readonly number[] = readonly number[]> {
  /** The options that only some optimizers use and that this one does, by their names in code. */
  readonly options: Readonly<Partial<Record<Option, NumberOption>>>;
  /** Whether weight decay is added to the gradient (an L2 penalty) or taken from the weights apart from it. */
  readonly decay: 'gradient' | 'decoupled';
  readonly defaultWeightDecay: number;
  /** Whether it keeps second moments, in memory and in checkpoints. */
  readonly hasSecondMoments: boolean;
  /** The numbers that update t needs, at most MAX_SCALARS (update.ts); float64 until the kernel takes them. */
  scalars(options: Readonly<Record<Option | 'weightDecay', number>>, step: UpdateStep): Scalars;
  /** The kernel's functions that it uses, by their names there: what its bits depend on. */
  readonly functions: readonly ('adam' | 'biasCorrection' | 'sgd')[];
  /** Updates one block. It may run again on the same block, and at the same time on others. */
  apply(kernel: KernelExports, block: UpdateBlock, scalars: Scalars): void;
}
