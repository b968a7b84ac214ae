import type { TestSet } from '#src/inspect/report/data.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { type Shape, shapeSize } from '#src/shared/model/shape.js';
import { uniformStream } from './reference/random.ts';

/** What the targets of a small set are. */
export type TargetKind = 'class' | 'labels' | 'values';

/**
 * Samples that a network learns in a few steps: on noise, a bright bar of one map at one of several heights, by the class. Labels are
 * two bits of the class; numbers its height and its map.
 */
export function smallSet(
  shape: Shape,
  classNames: readonly string[],
  count: number,
  kind: TargetKind = 'class',
): TestSet {
  const uniform = uniformStream(7);
  const size = shapeSize(shape);
  const inputs = new Uint8Array(count * size);
  const classes = new Uint16Array(count);
  const numbers = new Float32Array(count * classNames.length);
  const { maps, height, width } = shape;
  const kinds = kind === 'class' ? classNames.length : maps * 4;
  for (let i = 0; i < count; i++) {
    const own = Math.floor(((uniform() + 1) / 2) * kinds);
    const [map, place] = [own % maps, Math.floor(own / maps)];
    const sample = inputs.subarray(i * size, (i + 1) * size);
    for (let p = 0; p < size; p++) sample[p] = Math.floor(30 * (uniform() + 1));
    const row = Math.min(height - 1, Math.floor(((place + 0.5) * height) / Math.ceil(kinds / maps)));
    for (let x = 1; x < Math.max(2, width - 1); x++)
      sample[(map * height + row) * width + x] = 200 + Math.floor(50 * uniform());
    classes[i] = own;
    const found = kind === 'labels' ? [map % 2, place % 2] : [place / 4, map];
    for (let k = 0; k < classNames.length; k++) numbers[i * classNames.length + k] = found[k % 2] as number;
  }
  return { name: 'small', shape, count, inputs, classNames, targets: kind === 'class' ? classes : numbers };
}

/** The weights after some steps of plain gradient descent over the first samples of a set. */
export function descended(layout: ModelLayout, { inputs, targets, count }: TestSet, steps: number): Float32Array {
  const memory = new SharedMemory();
  const shard = 8;
  const weights = memory.parameters(layout.parameters);
  weights.set(initialWeights(layout, 1, Math.sqrt));
  const gradient = memory.parameters(layout.parameters);
  const held = { inputs: memory.hold(inputs as Uint8Array), targets: memory.hold(targets as Uint16Array) };
  const program = planProgram(layout, { shardSize: shard, seed: 1 }, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), program, memory.memory);
  for (let t = 0; t < steps; t++) {
    backend.setWeights(weights);
    const indices = Int32Array.from({ length: shard }, (_, i) => (t * shard + i) % count);
    const batch = { ...held, first: t * shard, indices, shifts: new Int8Array(2 * shard) };
    backend.gradient(batch, 1, gradient);
    for (const { role, offset, size, momentum } of layout.tensors) {
      for (let i = offset; i < offset + size; i++) {
        const [value, change] = [weights[i] as number, (gradient[i] as number) / shard];
        weights[i] = role === 'state' ? value + momentum * (change - value) : value - 0.03 * change;
      }
    }
  }
  return weights.slice();
}
