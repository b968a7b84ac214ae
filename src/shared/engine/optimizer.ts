import { NotFiniteError } from '../util/errors.ts';
import type { LossSum } from './backend.ts';
import type { PartialState } from './executor.ts';
import { type OptimizerName, type OptimizerOption, optimizerOf } from './optimizers/registry.ts';
import { addStates } from './partials.ts';
import type { RoundFigures } from './round-figures.ts';
import { factorAt, isTable, type Schedule } from './schedule-table.ts';
import { vectorsOf } from './state.ts';
import type { StateVectors, Update } from './update.ts';
import type { KernelExports } from './wasm/exports.ts';
import { padded } from './wasm/memory.ts';

/** The options of a run that decide its updates. */
export interface OptimizerConfig
  extends Readonly<
    Record<OptimizerOption | 'learningRate' | 'warmup' | 'iterations' | 'clipNorm' | 'weightDecay' | 'batch', number>
  > {
  readonly optimizer: OptimizerName;
  readonly schedule: Schedule;
}

/**
 * Computes the scalars of each update, by the optimizer's kind (optimizers/). Workers apply it (update.ts): mean, norm, clip, weight decay,
 * update, in the order of docs/determinism.md. All arithmetic that reaches the weights is done by the kernel, which rounds every float64 that
 * it is given to float32 once.
 */
export class Optimizer {
  readonly #kernel: KernelExports;
  readonly #config: OptimizerConfig;

  constructor(kernel: KernelExports, config: OptimizerConfig) {
    this.#kernel = kernel;
    this.#config = config;
  }

  /** The learning rate of update t, which is counted from 0. */
  learningRate(t: number): number {
    const { learningRate, warmup, iterations, schedule } = this.#config;
    if (isTable(schedule)) return learningRate * factorAt(schedule, t);
    return this.#kernel.learningRate(learningRate, warmup, iterations, schedule === 'cosine', t);
  }

  /** Update t, counted from 0. If gradients may be clipped, it only computes the norm, and `clipped` gives the update. */
  update(t: number): Update {
    const update = this.#complete(t, 1);
    return this.#config.clipNorm > 0 ? { ...update, optimizer: undefined } : update;
  }

  /** Update t with its gradient clipped; undefined if gradients are never clipped, so that `update` was complete. */
  clipped(t: number, gradientNorm: number): Update | undefined {
    const { clipNorm } = this.#config;
    if (clipNorm <= 0) return undefined;
    return this.#complete(t, gradientNorm > clipNorm ? clipNorm / gradientNorm : 1);
  }

  /** The L2 norm of the mean gradient, before clipping. @param squares the sum of the mean gradient's squares */
  normOf(squares: number): number {
    return this.#kernel.squareRoot(squares);
  }

  /**
   * The same.
   * @throws NotFiniteError if the norm or the loss isn't finite: the update must not be used then
   */
  gradientNorm(t: number, { lossSum, squares }: Pick<LossSum, 'lossSum'> & { readonly squares: number }): number {
    const norm = this.normOf(squares);
    if (Number.isFinite(lossSum) && Number.isFinite(norm)) return norm;
    const loss = lossSum / this.#config.batch;
    throw new NotFiniteError(
      `Step ${t + 1}: expected a finite loss and gradient norm, but got ${loss} and ${norm}. ` +
        `The step was not applied. Try a lower --learning-rate, or --clip-norm.`,
      { step: t + 1 },
    );
  }

  /** Writes the mean of the replicas' states over `next`. @param partials are added in place @returns the sums of what they found */
  average(partials: readonly PartialState[], replicas: number, next: StateVectors): RoundFigures {
    const { state, figures } = addStates(this.#kernel, partials, { begin: 0, end: replicas });
    const sums = vectorsOf(state);
    for (const [i, vector] of vectorsOf(next).entries()) {
      const { byteOffset } = sums[i] as Float32Array;
      this.#kernel.meanAndSquares(vector.byteOffset, byteOffset, padded(vector.length), 1 / replicas);
    }
    return figures;
  }

  /** @throws NotFiniteError if one of the weights after update t isn't finite: they must not be used then */
  requireFinite(t: number, weights: Float32Array): void {
    // A loop: `findIndex` takes ten times as long.
    let wrong = 0;
    while (wrong < weights.length && Number.isFinite(weights[wrong])) wrong++;
    if (wrong === weights.length) return;
    throw new NotFiniteError(
      `Step ${t + 1}: expected finite weights after its update, but weight ${wrong} is ${weights[wrong]}. ` +
        `The step was not applied. Try a lower --learning-rate, or --clip-norm.`,
      { step: t + 1 },
    );
  }

  #complete(t: number, clip: number): Update {
    const { batch, optimizer } = this.#config;
    const biasCorrection = (beta: number, steps: number): number => this.#kernel.biasCorrection(beta, steps);
    const step = { t, learningRate: this.learningRate(t), clip, biasCorrection };
    const { scalars } = optimizerOf(optimizer);
    const plainScalars = scalars({ ...this.#config, weightDecay: 0 }, step);
    return { optimizer, scale: 1 / batch, scalars: scalars(this.#config, step), plainScalars };
  }
}
