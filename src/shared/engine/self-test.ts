import { createHash } from 'node:crypto';
import { initialWeights } from '../model/initialize.ts';
import { modelOf } from '../model/registry.ts';
import { shapeSize } from '../model/shape.ts';
import { PhiloxStream, PURPOSE } from '../util/philox.ts';
import { littleEndianBytes } from '../util/safetensors.ts';
import { Sampler } from './sampler.ts';
import { KernelBackend } from './wasm/backend.ts';
import { compileKernel, instantiateKernel } from './wasm/exports.ts';
import { ONE_THREAD_BYTES, padded, SharedMemory } from './wasm/memory.ts';
import { planKernel } from './wasm/plan.ts';

const SAMPLES = 64;
const SHARD_SIZE = 8;
const SHARDS = 4;

/** Kept, since a node sends it at every connection. */
let known: string | undefined;

/**
 * A small piece of everything that decides the bits, computed: initial weights, sampler, augmentation, both heads' gradients and
 * the tree. A machine whose arithmetic is broken has another hash, though its build has the right digest.
 * @returns a SHA-256 in hex: equal on every machine on which this build computes the same bits
 */
export function selfTest(): string {
  known ??= compute();
  return known;
}

function compute(): string {
  const hash = createHash('sha256');
  const memory = new SharedMemory(ONE_THREAD_BYTES);
  for (const head of ['softmax', 'rbf'] as const) {
    const layout = modelOf({ head, rbfJ: 0.1 });
    const plan = planKernel(layout, SHARD_SIZE, memory);
    const images = memory.hold(noise(1, SAMPLES * shapeSize(layout.input), 256));
    const labels = memory.hold(noise(2, SAMPLES, layout.spec.head.classes));
    const [weights, sum, other] = [1, 2, 3].map(() => memory.parameters(layout.parameters)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const kernel = instantiateKernel(compileKernel(), memory.memory);
    const backend = new KernelBackend(kernel, plan, memory.memory);
    weights.set(initialWeights(layout, 1, kernel.squareRoot));
    backend.setWeights(weights);
    const sampler = new Sampler({ samples: SAMPLES, batch: SHARDS * SHARD_SIZE, seed: 1, augment: 'shift' });
    const gradientOf = (first: number, target: Float32Array): number => {
      const count = (SHARDS / 2) * SHARD_SIZE;
      const [indices, shifts] = [new Int32Array(count), new Int8Array(2 * count)];
      sampler.fill(3, first, count, indices, shifts);
      return backend.gradient({ images, labels, indices, shifts }, SHARDS / 2, target).lossSum;
    };
    const losses = [gradientOf(0, sum), gradientOf((SHARDS / 2) * SHARD_SIZE, other)];
    kernel.add(sum.byteOffset, sum.byteOffset, other.byteOffset, padded(sum.length));
    hash.update(littleEndianBytes(sum)).update(losses.map((loss) => loss.toString()).join());
  }
  return hash.digest('hex');
}

function noise(seed: number, length: number, below: number): Uint8Array {
  const stream = new PhiloxStream(seed, PURPOSE.permutation);
  return Uint8Array.from({ length }, () => stream.below(below));
}
