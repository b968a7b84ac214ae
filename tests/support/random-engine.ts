import type { Backend } from '#src/shared/engine/backend.js';
import type { KernelTarget } from '#src/shared/engine/kernel-name.js';
import { type PlanOptions, planProgram } from '#src/shared/engine/program/planner.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { type CompiledKernel, compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import type { RandomBatch } from './random-batches.ts';
import { type RandomCase, written } from './random-specs.ts';
import { addAt } from './reference/arrays.ts';
import { found } from './reference/network.ts';
import type { Tensors } from './reference/reference.ts';

const compiled = new Map<KernelTarget, CompiledKernel>();

/** Makes the backend that computes a network. */
export type StartBackend = (layout: ModelLayout, options: PlanOptions, memory: SharedMemory) => Backend;

/** The planner and the kernel, by the code of a target. */
export function kernelStart(target: KernelTarget): StartBackend {
  return (layout, options, memory) => {
    const program = planProgram(layout, options, memory);
    const kernel = compiled.get(target) ?? compileKernel(target);
    compiled.set(target, kernel);
    return new KernelBackend(instantiateKernel(kernel, memory.memory), program, memory.memory);
  };
}

/** What a backend makes of a case: for the batch, and again for all of its samples in evaluation. */
export interface EngineResult {
  readonly gradient: Tensors;
  readonly lossSum: number;
  readonly correct: number;
  readonly evaluated: { readonly lossSum: number; readonly correct: number; readonly predictions: readonly number[] };
}

export function engineGradient(
  random: RandomCase,
  parameters: Tensors,
  { samples, batch }: RandomBatch,
  start = kernelStart('wasm'),
): EngineResult {
  const spec = parseModel(written(random.network), undefined, 'random');
  const layout = { ...layoutOf(spec, random.frozen), loss: random.loss };
  const memory = new SharedMemory();
  const size = samples.length;
  const values = samples.flatMap((sample): number[] => [...sample.values]);
  const inputs = memory.hold(random.floats ? Float32Array.from(values) : Uint8Array.from(values));
  const isClass = random.network.head.kind === 'softmax' || random.network.head.kind === 'rbf';
  const wanted = samples.flatMap(({ target }): number[] => Array.from(target));
  const targets = memory.hold(isClass ? Uint16Array.from(wanted) : Float32Array.from(wanted));
  const weights = memory.parameters(layout.parameters);
  for (const { name, offset } of layout.tensors) weights.set(found(parameters, name), offset);
  const gradient = memory.parameters(layout.parameters);
  const shardSize = random.shardSize;
  const options = { shardSize, seed: batch.seed, inputs: random.floats ? 'float32' : 'uint8' } as const;
  const backend = start(layout, options, memory);
  backend.setWeights(weights);
  const sampled = (begin: number, end: number) => ({
    inputs,
    targets,
    first: batch.first + begin,
    indices: Int32Array.from({ length: end - begin }, (_, n) => begin + n),
    shifts: Int8Array.from(samples.slice(begin, end).flatMap(({ shift }) => [...shift])),
  });
  const sums = new Float64Array(layout.parameters);
  let [lossSum, correct] = [0, 0];
  for (let shard = 0; shard < random.shards; shard += backend.shardsAtOnce) {
    const shards = Math.min(backend.shardsAtOnce, random.shards - shard);
    gradient.fill(Number.NaN); // must be written over, not added to
    const loss = backend.gradient(sampled(shard * shardSize, (shard + shards) * shardSize), shards, gradient);
    for (const [i, value] of gradient.entries()) addAt(sums, i, value);
    lossSum += loss.lossSum;
    correct += loss.correct;
  }
  const predictions = new Uint16Array(size);
  const evaluated = backend.evaluate(sampled(0, size), predictions);
  return {
    gradient: new Map(layout.tensors.map(({ name, offset, size }) => [name, sums.slice(offset, offset + size)])),
    lossSum,
    correct,
    evaluated: { ...evaluated, predictions: [...predictions] },
  };
}
