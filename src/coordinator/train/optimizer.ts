import type { TrainConfig } from '../../shared/config/config.ts';
import type { LossSum } from '../../shared/engine/backend.ts';
import type { Update } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import { NotFiniteError } from '../../shared/util/errors.ts';

/**
 * Says what an update does: mean, norm, clip, weight decay, update, in the order of docs/determinism.md. Workers carry it out
 * (src/shared/update.ts). All arithmetic that reaches the weights is the kernel's; every float64 is rounded to float32 once,
 * where the kernel takes it.
 */
export class Optimizer {
  readonly #kernel: KernelExports;
  readonly #config: TrainConfig;

  constructor(kernel: KernelExports, config: TrainConfig) {
    this.#kernel = kernel;
    this.#config = config;
  }

  /** Of update t, from 0. */
  learningRate(t: number): number {
    const { learningRate, warmup, iterations, schedule } = this.#config;
    return this.#kernel.learningRate(learningRate, warmup, iterations, schedule === 'cosine', t);
  }

  /** Update t, from 0; where the gradient may be clipped it only takes the norm, and `clipped` is the update. */
  update(t: number): Update {
    const update = this.#whole(t, 1);
    return this.#config.clipNorm > 0 ? { ...update, rule: 'norm' } : update;
  }

  /** Update t with its gradient clipped; undefined where `update` was the whole of it. */
  clipped(t: number, gradientNorm: number): Update | undefined {
    const { clipNorm } = this.#config;
    if (clipNorm <= 0) return undefined;
    return this.#whole(t, gradientNorm > clipNorm ? clipNorm / gradientNorm : 1);
  }

  /**
   * The L2 norm of the mean gradient, before clipping.
   * @throws NotFiniteError where it or the loss isn't finite: the update must not be used then
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

  #whole(t: number, clip: number): Update {
    const { batch, optimizer, momentum, beta1, beta2, epsilon, weightDecay } = this.#config;
    const learningRate = this.learningRate(t);
    const decoupled = optimizer === 'adamw';
    const adaptive = optimizer !== 'sgd';
    return {
      rule: adaptive ? 'adam' : 'sgd',
      scalars: {
        ...{ scale: 1 / batch, clip, momentum, beta1, beta2, epsilon },
        rate: adaptive ? learningRate / this.#kernel.biasCorrection(beta1, t + 1) : learningRate,
        correction: 1 / this.#kernel.biasCorrection(beta2, t + 1),
        decay: decoupled ? 0 : weightDecay,
        shrink: decoupled ? learningRate * weightDecay : 0,
      },
    };
  }
}
