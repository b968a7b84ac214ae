import { Optimizer, type Update } from '#src/coordinator/optimizer.js';
import { resolveTrainConfig, type TrainConfig } from '#src/shared/config.js';
import { compileKernel, instantiateKernel, type KernelExports } from '#src/shared/kernel/exports.js';
import { SharedMemory } from '#src/shared/kernel/memory.js';
import { at } from '../reference/arrays.ts';
import { uniformStream } from '../reference/random.ts';

export const BATCH = 64;

/** An optimizer with the vectors that it works on, for updates by hand. */
export interface Bench {
  readonly config: TrainConfig;
  readonly optimizer: Optimizer;
  readonly kernel: KernelExports;
  /** [parameters] each; they swap places with every update. */
  weights: Float32Array;
  next: Float32Array;
  readonly gradient: Float32Array;
}

export function benchOf(flags: Readonly<Record<string, unknown>>, parameters: number): Bench {
  const { config } = resolveTrainConfig({ flags: { batch: BATCH, iterations: 20, warmup: 3, ...flags }, env: {} });
  const memory = new SharedMemory();
  const vectors = [0, 1, 2].map(() => memory.parameters(parameters));
  const own = instantiateKernel(compileKernel(), memory.memory);
  const optimizer = new Optimizer(own, config, memory, parameters);
  return { config, optimizer, kernel: own, weights: at(vectors, 0), next: at(vectors, 1), gradient: at(vectors, 2) };
}

/** Puts a random gradient sum, whose scale changes from parameter to parameter. */
export function randomize(bench: Bench, seed: number): void {
  const uniform = uniformStream(seed);
  for (let i = 0; i < bench.gradient.length; i++) bench.gradient[i] = BATCH * uniform() * 10 ** -(i % 7);
}

export function update(bench: Bench, t: number, lossSum = 1): Update {
  const node = { begin: 0, end: 1 };
  const result = bench.optimizer.update(
    t,
    { node, gradient: bench.gradient, lossSum, correct: 0 },
    bench.weights,
    bench.next,
  );
  [bench.weights, bench.next] = [bench.next, bench.weights];
  return result;
}

export interface Reference {
  readonly weights: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
}

/** The textbook's formulas in float64: momentum SGD (as PyTorch has it), Adam with L2, AdamW. */
export function referenceUpdate(state: Reference, config: TrainConfig, t: number, gradient: Float64Array): Update {
  const { optimizer, momentum, beta1, beta2, epsilon, weightDecay, clipNorm } = config;
  const { weights, m, v } = state;
  const gradientNorm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
  const clip = clipNorm > 0 ? Math.min(1, clipNorm / gradientNorm) : 1;
  const learningRate = referenceRate(config, t);
  for (let i = 0; i < weights.length; i++) {
    const w = at(weights, i);
    const g = clip * at(gradient, i) + (optimizer === 'adamw' ? 0 : weightDecay * w);
    if (optimizer === 'sgd') {
      m[i] = momentum * at(m, i) + g;
      weights[i] = w - learningRate * at(m, i);
      continue;
    }
    m[i] = beta1 * at(m, i) + (1 - beta1) * g;
    v[i] = beta2 * at(v, i) + (1 - beta2) * g * g;
    const mean = at(m, i) / (1 - beta1 ** (t + 1));
    const square = at(v, i) / (1 - beta2 ** (t + 1));
    const decayed = optimizer === 'adamw' ? w - learningRate * weightDecay * w : w;
    weights[i] = decayed - (learningRate * mean) / (Math.sqrt(square) + epsilon);
  }
  return { learningRate, gradientNorm };
}

function referenceRate({ learningRate, warmup, iterations, schedule }: TrainConfig, t: number): number {
  if (t < warmup) return (learningRate * (t + 1)) / warmup;
  if (schedule === 'constant') return learningRate;
  return (learningRate * (1 + Math.cos((Math.PI * (t - warmup)) / (iterations - warmup)))) / 2;
}
