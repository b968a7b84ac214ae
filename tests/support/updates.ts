import { resolveTrainConfig, type TrainConfig } from '#src/shared/config/config.js';
import { Optimizer } from '#src/shared/engine/optimizer.js';
import { optimizerOf } from '#src/shared/engine/optimizers/registry.js';
import { factorAt, isTable } from '#src/shared/engine/schedule-table.js';
import type { UpdateLayout } from '#src/shared/engine/segments.js';
import { BlockUpdater, type StateVectors, UpdateRecord } from '#src/shared/engine/update.js';
import { compileKernel, instantiateKernel, type KernelExports } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { at } from './reference/arrays.ts';
import { uniformStream } from './reference/random.ts';

export const BATCH = 64;

/** What an update found. */
export interface Found {
  readonly learningRate: number;
  readonly gradientNorm: number;
}

/** An optimizer with the vectors that it works on, for updates by hand. */
export interface Bench {
  readonly config: TrainConfig;
  readonly optimizer: Optimizer;
  readonly kernel: KernelExports;
  readonly record: UpdateRecord;
  readonly updater: BlockUpdater;
  /** They swap places with every update. */
  state: StateVectors;
  next: StateVectors;
  /** The sum: [parameters]. */
  readonly gradient: Float32Array;
}

export function benchOf(
  flags: Readonly<Record<string, unknown>>,
  parameters: number,
  layout = flat(parameters),
): Bench {
  const { config } = resolveTrainConfig({ flags: { batch: BATCH, iterations: 20, warmup: 3, ...flags }, env: {} });
  const memory = new SharedMemory();
  const vector = (): Float32Array => memory.parameters(parameters);
  const states = [0, 1].map(() => ({
    values: vector(),
    m: vector(),
    v: optimizerOf(config.optimizer).hasSecondMoments ? vector() : undefined,
  }));
  const gradient = vector();
  const record = UpdateRecord.allocate(memory, layout, 1);
  const scratch = BlockUpdater.scratch(memory, 1);
  const own = instantiateKernel(compileKernel(), memory.memory);
  const updater = new BlockUpdater(own, record.plan, scratch);
  const optimizer = new Optimizer(own, config);
  return { config, optimizer, kernel: own, record, updater, state: at(states, 0), next: at(states, 1), gradient };
}

/** Parameters that are all decayed. */
function flat(parameters: number): UpdateLayout {
  const shape = [parameters];
  const tensor = {
    name: 'w',
    part: 'w',
    role: 'weight',
    shape,
    offset: 0,
    size: parameters,
    fanIn: [],
    fill: 0,
    momentum: 0,
  } as const;
  return { parameters, tensors: [tensor], layers: [{ tensors: [tensor], frozen: false }], spec: { decay: 'all' } };
}

export function vectorsOf({ values, m, v }: StateVectors): Float32Array[] {
  return v === undefined ? [values, m] : [values, m, v];
}

/** Puts a random gradient sum, whose scale changes from parameter to parameter. */
export function randomize(bench: Bench, seed: number): void {
  const uniform = uniformStream(seed);
  for (let i = 0; i < bench.gradient.length; i++) bench.gradient[i] = BATCH * uniform() * 10 ** -(i % 7);
}

/** Update t as the step loop and one worker do it; `edges` cut the blocks into slices, which may come in any order. */
export function update(bench: Bench, t: number, lossSum = 1, edges = [0, bench.record.blocks]): Found {
  const { optimizer, record, updater, state: current, next, gradient } = bench;
  const partials = [{ range: { begin: 0, end: 1 }, gradient }];
  const apply = (): void => {
    for (let i = edges.length - 2; i >= 0; i--) updater.apply({ begin: at(edges, i), end: at(edges, i + 1) });
  };
  record.write({ ...optimizer.update(t), partials, current, next });
  apply();
  const gradientNorm = optimizer.gradientNorm(t, { lossSum, squares: record.squares() });
  const clipped = optimizer.clipped(t, gradientNorm);
  if (clipped !== undefined) {
    record.rewrite(clipped);
    apply();
  }
  [bench.state, bench.next] = [next, current];
  return { learningRate: optimizer.learningRate(t), gradientNorm };
}

export interface Reference {
  readonly weights: Float64Array;
  readonly m: Float64Array;
  readonly v: Float64Array;
}

/** The textbook's formulas in float64: momentum SGD (as PyTorch has it), Adam with L2, AdamW. */
export function referenceUpdate(state: Reference, config: TrainConfig, t: number, gradient: Float64Array): Found {
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
  if (isTable(schedule)) return learningRate * factorAt(schedule, t);
  if (t < warmup) return (learningRate * (t + 1)) / warmup;
  if (schedule === 'constant') return learningRate;
  return (learningRate * (1 + Math.cos((Math.PI * (t - warmup)) / (iterations - warmup)))) / 2;
}
