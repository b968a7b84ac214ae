import type { TrainConfig } from '../../shared/config/config.ts';
import type { LossSum } from '../../shared/engine/backend.ts';
import { optimizerOf } from '../../shared/engine/optimizers/registry.ts';
import type { Update } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import { NotFiniteError } from '../../shared/util/errors.ts';

/**
 * Computes the scalars of each update, by the optimizer's kind (src/shared/engine/optimizers). Workers apply it (src/shared/engine/update.ts): mean, norm, clip, weight decay, update, in
 * the order of docs/determinism.md. All arithmetic that reaches the weights is done by the kernel, which rounds every float64 that
 * it is given to float32 once.
 */
export class Optimizer {
  readonly #kernel: KernelExports;
  readonly #config: TrainConfig;

  constructor(kernel: KernelExports, config: TrainConfig) {
    this.#kernel = kernel;
    this.#config = config;
  }

  /** The learning rate of update t, which is counted from 0. */
  learningRate(t: number): number {
    const { learningRate, warmup, iterations, schedule } = this.#config;
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

  /**
   * The L2 norm of the mean gradient, before clipping.
   * @param squares the sum of the mean gradient's squares
   * @throws NotFiniteError if the norm or the loss isn't finite: the update must not be used then
   */
  gradientNorm(t: number, { lossSum, squares }: Pick<LossSum, 'lossSum'> & { readonly squares: number }): number {
    const norm = this.#kernel.squareRoot(squares);
    if (Number.isFinite(lossSum) && Number.isFinite(norm)) return norm;
    const loss = lossSum / this.#config.batch;
    throw new NotFiniteError(
      `Step ${t + 1}: expected a finite loss and gradient norm, but got ${loss} and ${norm}. ` +
        `The step was not applied. Try a lower --learning-rate, or --clip-norm.`,
      { step: t + 1 },
    );
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
