import assert from 'node:assert/strict';
import type { Split } from '#src/shared/data/dataset.js';
import type { SampleBatch } from '#src/shared/engine/backend.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { lenet5 } from './models.ts';
import { at } from './reference/arrays.ts';
import { compareTensors } from './reference/compare.ts';
import { flatGradient, type ReferenceSample } from './reference/flat.ts';
import { randomShift, randomWeights, uniformStream } from './reference/random.ts';

/** Of each tensor's largest gradient, and of the loss. */
const TOLERANCE = 1e-5;
// Fewer samples than a block has lanes, whole blocks, and blocks with a rest.
export const SHARD_SIZES = [1, 3, 5, 8, 13, 16];

// At random weights distances are 80 to 95: at j = 0.1 e^-j drowns the rivals' e^-y, at j = 83 both count.
export const MODELS: readonly (readonly [string, ModelSpec])[] = [
  ['softmax', lenet5('softmax')],
  ['RBF, j = 0.1', lenet5('rbf', 0.1)],
  ['RBF, j = 83', lenet5('rbf', 83)],
];

/** Images of any source. */
type Images = Pick<Split, 'inputs' | 'targets'>;

export interface KernelUnderTest {
  readonly layout: ModelLayout;
  readonly backend: KernelBackend;
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  /** A shard of samples spread over the images, under varied shifts. */
  readonly shard: (size: number) => SampleBatch;
}

/** A kernel with random weights and the images in its memory. */
export function kernelOn(layout: ModelLayout, data: Images): KernelUnderTest {
  const memory = new SharedMemory();
  const inputs = memory.hold(data.inputs);
  const targets = memory.hold(data.targets);
  const weights = memory.parameters(layout.parameters);
  weights.set(randomWeights(layout, 22));
  const gradient = memory.parameters(layout.parameters);
  const plan = planProgram(layout, { shardSize: 16 }, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), plan, memory.memory);
  backend.setWeights(weights);
  const shard = (size: number): SampleBatch => {
    const uniform = uniformStream(size);
    const indices = Int32Array.from({ length: size }, (_, i) => (17 * size + 997 * i) % targets.length);
    const shifts = Int8Array.from({ length: 2 * size }, () => randomShift(uniform));
    return { inputs, targets, first: 0, indices, shifts };
  };
  return { layout, backend, weights, gradient, shard };
}

export function gradientOf({ backend, gradient }: KernelUnderTest, shard: SampleBatch) {
  gradient.fill(Number.NaN); // must be written over, not added to
  const loss = backend.gradient(shard, 1, gradient);
  return { ...loss, gradient: gradient.slice() };
}

export function assertAgrees(kernel: KernelUnderTest, size: number): void {
  const { layout, backend, weights } = kernel;
  const shard = kernel.shard(size);
  const expected = flatGradient(layout, weights, referenceSamples(layout, shard));
  const actual = gradientOf(kernel, shard);
  for (const { name, relative, scale } of compareTensors(layout, actual.gradient, expected.gradient)) {
    assert.ok(scale > 0, `${name} has no gradient to compare`);
    assert.ok(relative <= TOLERANCE, `${name}: off by ${relative} of its largest gradient, ${scale}`);
  }
  const predictions = new Uint16Array(size);
  const evaluated = backend.evaluate(shard, predictions);
  assert.deepEqual([...predictions], expected.predictions);
  for (const { lossSum, correct } of [actual, evaluated]) {
    assert.equal(correct, expected.correct);
    const error = Math.abs(lossSum - expected.lossSum) / expected.lossSum;
    assert.ok(error <= TOLERANCE, `loss: expected ${expected.lossSum}, got ${lossSum}`);
  }
}

function referenceSamples(layout: ModelLayout, { inputs, targets, indices, shifts }: SampleBatch): ReferenceSample[] {
  const bytes = layout.spec.input.height * layout.spec.input.width;
  return Array.from(indices, (index, i) => ({
    image: Uint8Array.from(inputs.subarray(index * bytes, (index + 1) * bytes)),
    label: at(targets, index),
    shift: [at(shifts, 2 * i), at(shifts, 2 * i + 1)],
  }));
}
