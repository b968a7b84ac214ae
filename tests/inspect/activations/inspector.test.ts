import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { shownLayers } from '#src/inspect/activations/shown-layers.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { specOf } from '#src/shared/model/registry.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { MemoryError } from '#src/shared/util/errors.js';
import { assertShows, evaluated, lookedAtSamples, lookedAtWeights } from '../../support/inspector.ts';
import { layoutFrom, lenet5 } from '../../support/models.ts';
import { at } from '../../support/reference/arrays.ts';

const SMALL = { maps: 3, height: 12, width: 10 };
const OPTIONS = { head: 'softmax', rbfJ: 0.1 } as const;

function preset(model: string, data: { maps: number; height: number; width: number; classes: number }): ModelLayout {
  return layoutOf(specOf({ model, ...OPTIONS }, data));
}

/** Branches, grouped and unpadded convolutions, batch norm, concatenation: a branch that is read twice isn't folded. */
const BRANCHED = [
  { name: 'scale', kind: 'rescale', scale: 2, offset: -1 },
  { name: 'a', kind: 'conv', maps: 6, kernel: [3, 1], stride: 2, padding: 'same', groups: 3 },
  { name: 'a.norm', kind: 'batch-norm' },
  { name: 'a.leaky', kind: 'leaky-relu', slope: 0.1 },
  { name: 'b', kind: 'conv', maps: 4, kernel: 1, bias: false },
  { name: 'b.tanh', kind: 'tanh' },
  { name: 'both', kind: 'concat', inputs: ['b.tanh', 'a.leaky'] },
  { name: 'pad', kind: 'zero-pad', padding: [1, 0, 0, 2] },
  { name: 'pool', kind: 'max-pool', size: 2 },
  { name: 'flat', kind: 'flatten' },
  { name: 'drop', kind: 'dropout', rate: 0.5 },
  { name: 'fc', kind: 'dense', units: 5 },
];

const MODELS: Readonly<Record<string, ModelLayout>> = {
  'lenet5 (softmax)': layoutOf(lenet5('softmax')),
  'lenet5 (rbf)': layoutOf(lenet5('rbf')),
  'lenet5-relu': preset('lenet5-relu', { maps: 1, height: 28, width: 28, classes: 26 }),
  mlp: preset('mlp', { ...SMALL, classes: 3 }),
  resnet8: preset('resnet8', { ...SMALL, classes: 4 }),
  'a branched one': layoutFrom(BRANCHED, { input: SMALL }),
  'one with labels': layoutFrom(BRANCHED, { input: SMALL, head: 'sigmoid' }),
  'one with numbers': layoutFrom(BRANCHED, { input: SMALL, head: 'mse' }),
};

for (const [name, layout] of Object.entries(MODELS)) {
  for (const inputs of ['uint8', 'float32'] as const) {
    describe(`what the inspector shows of ${name}, ${inputs}`, () => {
      const weights = lookedAtWeights(layout, 31);
      const inspector = new Inspector(compileInspector(), layout, { inputs });
      inspector.setWeights(weights);
      const size = shapeSize(layout.input);
      const samples = lookedAtSamples(layout, 32, 11, inputs);

      it('agrees with the reference in every layer', () => {
        for (let i = 0; i < 3; i++) assertShows(inspector, weights, samples.subarray(i * size, (i + 1) * size));
      });

      it('is the same whatever was shown before, and after other weights', () => {
        const [sample, other] = [samples.subarray(0, size), samples.subarray(size, 2 * size)];
        const before = inspector.show(sample);
        inspector.show(other);
        inspector.setWeights(lookedAtWeights(layout, 34));
        assert.notDeepEqual(inspector.show(sample), before);
        inspector.setWeights(weights);
        assert.deepEqual(inspector.show(sample), before);
      });

      it('classifies many samples as it shows each, and as an evaluation does', () => {
        const { outputs, probabilities, predictions } = inspector.classify(samples);
        if (inspector.reading === 'class') assert.deepEqual(predictions, evaluated(layout, weights, samples));
        for (let i = 0; i < 11; i++) {
          const shown = inspector.show(samples.subarray(i * size, (i + 1) * size));
          const part = [i * layout.classes, (i + 1) * layout.classes] as const;
          assert.deepEqual(outputs.subarray(...part), shown.outputs);
          if (shown.probabilities !== undefined) assert.deepEqual(probabilities.subarray(...part), shown.probabilities);
          assert.equal(predictions[i], shown.prediction);
        }
      });

      it('refuses other sizes, types and weights', () => {
        assert.throws(() => inspector.show(samples.subarray(1, size)), RangeError);
        assert.throws(() => inspector.classify(samples.subarray(1)), RangeError);
        assert.throws(() => inspector.setWeights(new Float32Array(1)), RangeError);
        const other = inputs === 'uint8' ? new Float32Array(size) : new Uint8Array(size);
        assert.throws(() => inspector.show(other), RangeError);
      });
    });
  }
}

describe('shown layers', () => {
  it('are those that people know, with what refines them', () => {
    const names = (layout: ModelLayout) => shownLayers(layout).layers.map(({ name }) => name);
    assert.deepEqual(names(at(Object.values(MODELS), 0)), ['c1', 's2', 'c3', 's4', 'c5', 'f6', 'output']);
    assert.deepEqual(names(MODELS.mlp as ModelLayout), ['hidden1', 'hidden2', 'output']);
    const { input, layers } = shownLayers(MODELS['a branched one'] as ModelLayout);
    assert.deepEqual(input, SMALL);
    // A convolution whose activation two layers read is one with it; the flattened pool keeps its form.
    assert.deepEqual(
      layers.map(({ name, layers: all, shape, sources }) => [name, all.length, shape, sources]),
      [
        ['a', 3, { maps: 6, height: 6, width: 5 }, [-1]],
        ['b', 2, { maps: 4, height: 6, width: 5 }, [0]],
        ['both', 2, { maps: 10, height: 7, width: 7 }, [1, 0]],
        ['pool', 3, { maps: 10, height: 3, width: 3 }, [2]],
        ['fc', 1, { maps: 5, height: 1, width: 1 }, [3]],
      ],
    );
  });

  it('of a residual net read each other past the branch', () => {
    const { layers } = shownLayers(MODELS.resnet8 as ModelLayout);
    const reads = layers.map(({ name, sources }) => [name, ...sources.map((source) => layers[source]?.name)]);
    assert.deepEqual(reads.slice(0, 5), [
      ['stem', undefined],
      ['block1.a', 'stem'],
      ['block1.b', 'block1.a'],
      ['block1', 'block1.b', 'stem'],
      ['block2.a', 'block1'],
    ]);
  });
});

it('outputs have a name of their own', () => {
  const layers = [
    { name: 'output', kind: 'dense', units: 3 },
    { kind: 'relu' },
    { name: 'last', kind: 'dense', units: 2 },
  ];
  const layout = layoutFrom(layers, { input: { maps: 4, height: 1, width: 1 } });
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(lookedAtWeights(layout, 1));
  const names = inspector.show(Uint8Array.of(1, 2, 3, 4)).layers.map(({ name }) => name);
  assert.deepEqual(names, ['output', 'outputs']);
});

it('a model of more than the memory is refused', () => {
  const huge = layoutFrom(
    [{ kind: 'conv', maps: 500, kernel: 1 }, { kind: 'conv', maps: 500, kernel: 1 }, { kind: 'global-average-pool' }],
    {
      input: { maps: 1, height: 150, width: 150 },
    },
  );
  assert.throws(
    () => new Inspector(compileInspector(), huge),
    (error) => error instanceof MemoryError && /needs \d+ MiB of memory, more than 1024/.test(error.message),
  );
});
