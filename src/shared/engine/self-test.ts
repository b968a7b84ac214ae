import { createHash, type Hash } from 'node:crypto';
import type { Inputs, Targets } from '../data/dataset.ts';
import { inputKindOf } from '../data/dataset.ts';
import { initialWeights } from '../model/initialize.ts';
import { headOf } from '../model/kinds.ts';
import type { LayerSpec } from '../model/layers/placed-layer.ts';
import { layoutOf, type ModelLayout } from '../model/layout.ts';
import { parseModel } from '../model/parse.ts';
import { modelOf } from '../model/registry.ts';
import { shapeSize } from '../model/shape.ts';
import type { ModelSpec } from '../model/spec.ts';
import { PhiloxStream, PURPOSE } from '../util/philox.ts';
import { littleEndianBytes } from '../util/safetensors.ts';
import { allocateAugmented, augmenterFor } from './augmentations/augmenter.ts';
import { AUGMENTATIONS, augmentationText } from './augmentations/registry.ts';
import { SHIFT } from './augmentations/shift.ts';
import type { KernelTarget } from './kernel-name.ts';
import { planProgram } from './program/planner.ts';
import { Sampler } from './sampler.ts';
import { SELF_TEST_LOSS, SELF_TEST_SPECS } from './self-test-models.ts';
import { depthOf } from './tree.ts';
import { TreeGradient } from './tree-gradient.ts';
import { KernelBackend } from './wasm/backend.ts';
import { type CompiledKernel, compileKernel, instantiateKernel } from './wasm/exports.ts';
import { ONE_THREAD_BYTES, SharedMemory } from './wasm/memory.ts';

const SAMPLES = 64;
/** A whole block of lanes and a part of one. */
const SHARD_SIZE = 13;
const SHARDS = 5;
const SEED = 1;
const STEP = 3;
const SHIFTED = augmentationText([{ kind: SHIFT, strength: 0 }]);
/** All kinds, with the strengths that they have by default. */
export const AUGMENTED = augmentationText(
  AUGMENTATIONS.map((kind) => ({ kind, strength: kind.strength?.default ?? 0 })),
);

/** Kept, since a node sends it at every connection. */
const known = new Map<KernelTarget, string>();

/**
 * A small piece of everything that decides the bits, computed: initial weights, sampler, augmentation, gradients, evaluation and
 * the tree, for LeNet-5 with both heads and for models that have every kind of layer. A machine whose arithmetic is broken has
 * another hash, though its build has the right digest.
 * @param target the code that computes it
 * @returns a SHA-256 in hex: equal on every machine on which this build computes the same bits
 */
export function selfTest(target: KernelTarget = 'wasm'): string {
  const hash = known.get(target) ?? compute(compileKernel(target));
  known.set(target, hash);
  return hash;
}

function compute(compiled: CompiledKernel): string {
  const hash = createHash('sha256');
  const memory = new SharedMemory(ONE_THREAD_BYTES);
  const lenets = (['softmax', 'rbf'] as const).map((head) => modelOf({ head, rbfJ: 0.1 }));
  for (const layout of [...lenets, ...selfTestModels()]) tryModel(layout, { memory, hash, compiled, augment: SHIFTED });
  tryModel(lenets[0] as ModelLayout, { memory, hash, compiled, augment: AUGMENTED });
  return hash.digest('hex');
}

/** Models that have every operation. */
export function selfTestModels(): ModelLayout[] {
  const specs = SELF_TEST_SPECS.map((spec) => parseModel(spec, undefined, 'self-test'));
  const isNorm = ({ kind }: LayerSpec): boolean => kind === 'batch-norm';
  // A batch norm that is frozen is computed otherwise, and so is a loss of the training's own.
  const withNorm = specs.find(({ layers }) => layers.some(isNorm)) as ModelSpec;
  const frozen = layoutOf(
    withNorm,
    withNorm.layers.filter(isNorm).map(({ name }) => name),
  );
  return [...specs.map((spec) => layoutOf(spec)), { ...frozen, loss: SELF_TEST_LOSS }];
}

/** A model's samples: bytes and classes, or float32s if its targets are numbers. */
export function selfTestSamples({ input, classes, spec }: ModelLayout): { inputs: Inputs; targets: Targets } {
  const bytes = noise(1, SAMPLES * shapeSize(input), 256);
  if (headOf(spec.head).targetKind === 'class')
    return { inputs: bytes, targets: Uint16Array.from(noise(2, SAMPLES, classes)) };
  const numbers = noise(2, SAMPLES * classes, 2);
  return { inputs: Float32Array.from(bytes, (byte) => (byte - 128) / 64), targets: Float32Array.from(numbers) };
}

interface Bench {
  readonly memory: SharedMemory;
  readonly hash: Hash;
  readonly compiled: CompiledKernel;
  readonly augment: string;
}

function tryModel(layout: ModelLayout, { memory, hash, compiled, augment }: Bench): void {
  const samples = selfTestSamples(layout);
  const train = { inputs: memory.hold(samples.inputs), targets: memory.hold(samples.targets), count: SAMPLES };
  const plan = planProgram(layout, { shardSize: SHARD_SIZE, seed: SEED, inputs: inputKindOf(train) }, memory);
  const vector = (): Float32Array => memory.parameters(layout.parameters);
  const [weights, sum] = [vector(), vector()];
  const levels = Array.from({ length: depthOf(SHARDS) }, vector);
  const kernel = instantiateKernel(compiled, memory.memory);
  const backend = new KernelBackend(kernel, plan, memory.memory);
  weights.set(initialWeights(layout, SEED, kernel.squareRoot));
  backend.setWeights(weights);
  const sampler = new Sampler({ samples: SAMPLES, batch: SHARDS * SHARD_SIZE, seed: SEED, augment });
  const augmented = allocateAugmented(memory, {
    augment,
    layout,
    inputs: inputKindOf(train),
    count: SHARD_SIZE * plan.shardsAtOnce,
  });
  const augmenter = augmenterFor(augmented, { seed: SEED, augment }, layout);
  const gradient = new TreeGradient({ backend, kernel, sampler, augmenter, train, shardSize: SHARD_SIZE, levels });
  const { lossSum } = gradient.sum(STEP, { begin: 0, end: SHARDS }, sum);
  const [indices, shifts] = [Int32Array.from({ length: SHARD_SIZE }, (_, i) => i), new Int8Array(2 * SHARD_SIZE)];
  const predictions = new Uint16Array(SHARD_SIZE);
  const evaluated = backend.evaluate({ ...train, first: 0, indices, shifts }, predictions);
  hash.update(littleEndianBytes(sum)).update(`${lossSum},${evaluated.lossSum},${predictions.join()}\n`);
}

function noise(seed: number, length: number, below: number): Uint8Array {
  const stream = new PhiloxStream(seed, PURPOSE.permutation);
  return Uint8Array.from({ length }, () => stream.below(below));
}
