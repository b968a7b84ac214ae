import type { TrainConfig } from '../shared/config.ts';
import { NotFiniteError } from '../shared/errors.ts';
import type { Partial } from '../shared/executor.ts';
import type { KernelExports } from '../shared/kernel/exports.ts';
import { padded, type SharedMemory } from '../shared/kernel/memory.ts';

/** Parameters whose squares are summed apart, so that the norm can be sliced over workers. */
const NORM_BLOCK = 4096;

export interface Update {
  readonly learningRate: number;
  /** L2 norm of the mean gradient, before clipping. */
  readonly gradientNorm: number;
}

/**
 * Mean, norm, clip, weight decay, update, in the order of docs/determinism.md; all arithmetic that reaches the weights is
 * the kernel's, and every float64 is rounded to float32 once, where the kernel takes it.
 */
export class Optimizer {
  /** First moments, or momentum SGD's velocity: [parameters]. */
  readonly m: Float32Array;
  /** Second moments; SGD has none. */
  readonly v: Float32Array | undefined;
  readonly #kernel: KernelExports;
  readonly #config: TrainConfig;

  constructor(kernel: KernelExports, config: TrainConfig, memory: SharedMemory, parameters: number) {
    this.#kernel = kernel;
    this.#config = config;
    this.m = memory.parameters(parameters);
    this.v = config.optimizer === 'sgd' ? undefined : memory.parameters(parameters);
  }

  /**
   * Applies update t (from 0): reads `weights`, writes `next`, and turns the gradient sum into the mean in place.
   * @throws NotFiniteError where the loss or the gradient norm isn't finite; neither weights nor moments have changed then
   */
  update(t: number, { gradient, lossSum }: Partial, weights: Float32Array, next: Float32Array): Update {
    const { batch, clipNorm, learningRate: base, warmup, iterations, schedule } = this.#config;
    const gradientNorm = this.#meanAndNorm(gradient, 1 / batch);
    if (!Number.isFinite(lossSum) || !Number.isFinite(gradientNorm)) {
      throw new NotFiniteError(
        `Step ${t + 1}: expected a finite loss and gradient norm, but got ${lossSum / batch} and ${gradientNorm}. ` +
          'The step was not applied. Try a lower --learning-rate, a longer --warmup or --clip-norm 1.',
        { step: t + 1 },
      );
    }
    const clip = clipNorm > 0 && gradientNorm > clipNorm ? clipNorm / gradientNorm : 1;
    const learningRate = this.#kernel.learningRate(base, warmup, iterations, schedule === 'cosine', t);
    this.#apply(t, { weights, next, gradient, clip, learningRate });
    return { learningRate, gradientNorm };
  }

  #meanAndNorm(gradient: Float32Array, scale: number): number {
    const end = padded(gradient.length);
    let squares = 0;
    for (let first = 0; first < end; first += NORM_BLOCK) {
      const count = Math.min(NORM_BLOCK, end - first);
      squares += this.#kernel.meanAndSquares(gradient.byteOffset + 4 * first, count, scale);
    }
    return this.#kernel.squareRoot(squares);
  }

  #apply(t: number, step: Step): void {
    const { optimizer, momentum, beta1, beta2, epsilon, weightDecay } = this.#config;
    const { weights, next, gradient, clip, learningRate } = step;
    const count = padded(gradient.length);
    const [w, target, g, m] = [weights, next, gradient, this.m].map(({ byteOffset }) => byteOffset) as Pointers;
    if (this.v === undefined) {
      this.#kernel.sgd(w, target, g, m, count, clip, learningRate, momentum, weightDecay);
      return;
    }
    const decoupled = optimizer === 'adamw';
    this.#kernel.adam(
      w,
      target,
      g,
      m,
      this.v.byteOffset,
      count,
      clip,
      decoupled ? 0 : weightDecay,
      decoupled ? learningRate * weightDecay : 0,
      learningRate / this.#kernel.biasCorrection(beta1, t + 1),
      1 / this.#kernel.biasCorrection(beta2, t + 1),
      beta1,
      beta2,
      1 - beta1,
      1 - beta2,
      epsilon,
    );
  }
}

type Pointers = [number, number, number, number];

interface Step {
  readonly weights: Float32Array;
  readonly next: Float32Array;
  readonly gradient: Float32Array;
  readonly clip: number;
  readonly learningRate: number;
}
