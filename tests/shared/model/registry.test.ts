import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { syntheticDataset } from '#src/shared/data/synthetic.js';
import { modelOf } from '#src/shared/model/registry.js';
import { ModelError } from '#src/shared/util/errors.js';

const OPTIONS = { head: 'softmax', rbfJ: 0.1 } as const;
const SHAPE = { name: 'pictures', maps: 1, height: 28, width: 28, classes: 10 };

describe('the model of a run', () => {
  it('has the head that the options name', () => {
    for (const head of ['softmax', 'rbf'] as const) {
      const { spec, input } = modelOf({ head, rbfJ: 0.25 });
      assert.equal(spec.head.kind, head);
      assert.deepEqual(input, { maps: 1, height: 28, width: 28 });
      if (spec.head.kind === 'rbf') assert.equal(spec.head.j, 0.25);
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
        () => modelOf(OPTIONS, { ...SHAPE, ...shape }),
        (error) => {
          assert.ok(error instanceof ModelError && error.exitCode === 2);
          assert.match(error.message, /^The model lenet5 expects images of 1@28x28 in 10 classes,/);
          assert.ok(error.message.includes(`the data set pictures has images of ${text}.`), error.message);
          return true;
        },
      );
    });
  }
});
