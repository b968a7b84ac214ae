import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { planProgram } from '#src/shared/engine/program/planner.js';
import type { Program } from '#src/shared/engine/program/program.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { bytesOf, SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { modelOf } from '#src/shared/model/registry.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { madeDataset } from '../../../support/made-images.ts';
import { layoutFrom, lenet5 } from '../../../support/models.ts';

const SHARD = 13;

/** The gradient sum of one shard, and its loss in training and in evaluation. */
function computed(layout: ModelLayout, isFused = true, shift = 0) {
  const memory = new SharedMemory();
  const { train } = madeDataset(SHARD, 1);
  const kernel = instantiateKernel(compileKernel(), memory.memory);
  const program = planProgram(layout, { shardSize: SHARD, isFused }, memory);
  const weights = memory.parameters(layout.parameters);
  weights.set(initialWeights(layout, 1, kernel.squareRoot));
  const backend = new KernelBackend(kernel, program, memory.memory);
  backend.setWeights(weights);
  const gradient = memory.parameters(layout.parameters);
  const [inputs, targets] = [memory.hold(train.inputs), memory.hold(train.targets)];
  const indices = Int32Array.from({ length: SHARD }, (_, i) => i);
  const shifts = new Int8Array(2 * SHARD).fill(shift);
  const samples = { inputs, targets, first: 0, indices, shifts };
  const trained = backend.gradient(samples, 1, gradient);
  return { gradient: gradient.slice(), trained, evaluated: backend.evaluate(samples, new Uint16Array(SHARD)) };
}

function planned(layout: ModelLayout, shardSize = 8): Program {
  return planProgram(layout, { shardSize }, new SharedMemory());
}

describe("LeNet-5's fused program", () => {
  // Unshifted: the fused program moves pictures into their padding, where others lose what leaves them.
  for (const head of ['softmax', 'rbf'] as const) {
    it(`has the gradient of its layers one by one, but for the order of sums: ${head}`, () => {
      const layout = layoutOf(lenet5(head));
      const [fused, plain] = [computed(layout, true).gradient, computed(layout, false).gradient];
      for (const { name, offset, size } of layout.tensors) {
        const expected = plain.subarray(offset, offset + size);
        const scale = Math.max(...expected.map(Math.abs));
        const error = Math.max(...expected.map((value, i) => Math.abs(value - (fused[offset + i] as number))));
        assert.ok(scale > 0 && error <= 1e-5 * scale, `${name}: off by ${error} of ${scale}`);
      }
      assert.notDeepEqual(fused, plain);
    });
  }

  for (const frozen of [['f6'], ['c1'], ['c1', 's2'], ['c1', 's2', 'c3', 's4', 'c5'], ['s4', 'output']]) {
    it(`has the same bits for what is trained if ${frozen} is frozen, of shifted pictures too`, () => {
      const all = computed(layoutOf(lenet5('softmax')), true, 2);
      const layout = layoutOf(lenet5('softmax'), frozen);
      const some = computed(layout, true, 2);
      assert.deepEqual([some.trained, some.evaluated], [all.trained, all.evaluated]);
      const trained = layout.layers.filter((layer) => !layer.frozen).flatMap(({ tensors }) => tensors);
      for (const { name, offset, size } of trained)
        assert.deepEqual(
          some.gradient.subarray(offset, offset + size),
          all.gradient.subarray(offset, offset + size),
          name,
        );
    });
  }

  it('has no operations for what needs no gradient', () => {
    const counts = [[], ['c1', 's2'], ['c1', 's2', 'c3', 's4'], ['c1', 's2', 'c3', 's4', 'c5', 'f6', 'output']].map(
      (frozen) => planned(layoutOf(lenet5('softmax'), frozen)).lists.train.count,
    );
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => b - a),
    );
    assert.equal(new Set(counts).size, counts.length);
  });
});

describe('a frozen batch norm', () => {
  const layers = [
    { kind: 'conv', maps: 3, kernel: 5, stride: 3 },
    { kind: 'batch-norm' },
    { kind: 'relu' },
    { kind: 'dense', units: 10 },
  ];

  it('computes the same bits in training and in evaluation', () => {
    const { trained, evaluated } = computed(layoutFrom(layers, {}, ['batch-norm2']));
    assert.deepEqual(trained, evaluated);
    const other = computed(layoutFrom(layers));
    assert.notEqual(other.trained.lossSum, other.evaluated.lossSum);
  });

  it('sums up no statistics', () => {
    const layout = layoutFrom(layers, {}, ['batch-norm2']);
    const { gradient } = computed(layout);
    const own = layout.tensors.filter(({ name }) => name.startsWith('batch-norm2.'));
    for (const { offset, size } of own) assert.ok(gradient.subarray(offset, offset + size).every((sum) => sum === 0));
    assert.equal(own.length, 4);
  });
});

describe("a program's memory", () => {
  it('is what was counted before', () => {
    for (const model of ['lenet5', 'lenet5-relu', 'mlp', 'resnet8'] as const) {
      const layout = modelOf(
        { head: 'softmax', rbfJ: 0, model },
        { name: 'x', maps: 1, height: 28, width: 28, classes: 10 },
      );
      const memory = new SharedMemory();
      const counted = bytesOf((sizes) => planProgram(layout, { shardSize: 8 }, sizes));
      planProgram(layout, { shardSize: 8 }, memory);
      assert.equal(memory.used, counted, model);
    }
  });

  it('of ResNet-20 is at most 25 MB a thread', () => {
    const layout = modelOf(
      { head: 'softmax', rbfJ: 0, model: 'resnet20' },
      { name: 'cifar10', maps: 3, height: 32, width: 32, classes: 10 },
    );
    assert.ok(bytesOf((memory) => planProgram(layout, { shardSize: 8 }, memory)) <= 25e6);
  });

  it('is shared by a layer that works in place and its input, unless that is still needed', () => {
    const relu = { kind: 'relu' };
    const conv = { kind: 'conv', maps: 2, kernel: 3 };
    const { values } = planned(layoutFrom([conv, relu, { kind: 'tanh' }, { kind: 'dense', units: 10 }]));
    assert.equal(values.conv1?.at, values.relu2?.at);
    assert.notEqual(values.relu2?.at, values.tanh3?.at);
  });

  it('has no maps that fall on the same lines of a cache', () => {
    // A map of 16x16 takes a multiple of a kibibyte, one of 23x23 doesn't.
    const convs = [{ kind: 'conv', maps: 4, kernel: 6 }, { kind: 'relu' }, { kind: 'conv', maps: 3, kernel: 8 }];
    const { values } = planned(layoutFrom([...convs, { kind: 'sigmoid' }, { kind: 'dense', units: 10 }]));
    assert.equal(values.conv1?.plane, 23 * 23 * 32);
    assert.equal(values.conv3?.plane, 16 * 16 * 32 + 64);
  });

  it('keeps the zeros of a padding, whatever follows it', () => {
    const { values } = planned(
      layoutFrom([{ kind: 'zero-pad', padding: 1 }, { kind: 'sigmoid' }, { kind: 'dense', units: 10 }]),
    );
    assert.notEqual(values['zero-pad1']?.at, values.sigmoid2?.at);
  });
});

describe('shards at once', () => {
  it('are several only where most parameters are those of dense layers', () => {
    assert.equal(planned(layoutOf(lenet5('softmax'))).shardsAtOnce, 8);
    const convs = layoutFrom([
      { kind: 'conv', maps: 64, kernel: 5 },
      { kind: 'global-average-pool' },
      { kind: 'dense', units: 2 },
    ]);
    assert.equal(planned(convs).shardsAtOnce, 1);
    assert.equal(shapeSize(convs.layers[0]?.output ?? convs.input), 64 * 24 * 24);
  });
});
