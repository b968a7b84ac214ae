import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { syntheticDataset } from '#src/shared/data/sources/synthetic.js';
import type { RbfHeadSpec } from '#src/shared/model/heads/rbf.js';
import { defaultModelFor, modelOf } from '#src/shared/model/registry.js';
import { ModelError } from '#src/shared/util/errors.js';

const OPTIONS = { head: 'softmax', rbfJ: 0.1 } as const;
const SHAPE = { name: 'pictures', maps: 1, height: 28, width: 28, classes: 10 };

describe('the model of a run that names none', () => {
  for (const [what, shape, model, head] of [
    ['digits', {}, 'lenet5', 'softmax'],
    ['digits and letters', { classes: 47 }, 'lenet5', 'softmax'],
    ['colour pictures', { maps: 3, height: 32, width: 32 }, 'resnet8', 'softmax'],
    ['small pictures', { height: 8, width: 8 }, 'resnet8', 'softmax'],
    ['pictures with numbers to be told', { targets: 'float32', classes: 1 }, 'resnet8', 'mse'],
    ['features', { maps: 13, height: 1, width: 1, classes: 3 }, 'mlp', 'softmax'],
    [
      'features with numbers to be told',
      { maps: 13, height: 1, width: 1, classes: 2, targets: 'float32' },
      'mlp',
      'mse',
    ],
  ] as const) {
    it(`is ${model} for ${what}`, () => {
      const data = { ...SHAPE, ...shape };
      assert.equal(defaultModelFor(data), model);
      const { spec, classes, input } = modelOf({ ...OPTIONS, model }, data);
      const { maps, height, width } = data;
      assert.deepEqual([spec.head.kind, classes, input], [head, data.classes, { maps, height, width }]);
    });
  }
});

describe('the model of a run', () => {
  it('has the head that the options name', () => {
    for (const head of ['softmax', 'rbf'] as const) {
      const { spec, input } = modelOf({ head, rbfJ: 0.25 });
      assert.equal(spec.head.kind, head);
      assert.deepEqual(input, { maps: 1, height: 28, width: 28 });
      if (spec.head.kind === 'rbf') assert.equal((spec.head as RbfHeadSpec).j, 0.25);
    }
  });

  it('takes the data sets that it is trained on', () => {
    const { parameters } = modelOf(OPTIONS);
    assert.equal(modelOf(OPTIONS, syntheticDataset({ train: 1, test: 1 })).parameters, parameters);
    assert.equal(modelOf(OPTIONS, SHAPE).parameters, parameters);
  });

  for (const [what, shape, text] of [
    ['rows', { height: 32 }, '1@32x28 in 10 classes'],
    ['columns', { width: 32 }, '1@28x32 in 10 classes'],
    ['maps', { maps: 3 }, '3@28x28 in 10 classes'],
    ['classes', { classes: 26 }, '1@28x28 in 26 classes'],
  ] as const) {
    it(`refuses a data set of other ${what}`, () => {
      assert.throws(
        // The RBF head's targets are of ten digits; with softmax the data set says how many classes there are.
        () => modelOf({ ...OPTIONS, head: 'rbf' }, { ...SHAPE, ...shape }),
        (error) => {
          assert.ok(error instanceof ModelError && error.exitCode === 2);
          assert.match(error.message, /^The model lenet5 expects samples of 1@28x28 in 10 classes,/);
          assert.ok(error.message.includes(`the data set pictures has samples of ${text}.`), error.message);
          return true;
        },
      );
    });
  }
});
