import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flopsPerSample } from '#src/shared/model/flops.js';
import { HEADS, headOf, kindOf, LAYERS } from '#src/shared/model/kinds.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { ModelError } from '#src/shared/util/errors.js';

describe('the kinds of layers and heads', () => {
  it('are found by their names, which are distinct', () => {
    const kinds = [...LAYERS, ...HEADS];
    assert.equal(new Set(kinds.map(({ kind }) => kind)).size, kinds.length);
    for (const layer of kinds) assert.equal(kindOf({ kind: layer.kind, name: 'x' }), layer);
    for (const head of HEADS) assert.equal(headOf({ kind: head.kind, name: 'x', classes: 2 }), head);
  });

  for (const [what, spec] of [
    ['a layer of no kind', { layers: [{ kind: 'gelu', name: 'g1' }] }],
    ['a kind that every object has', { layers: [{ kind: 'toString', name: 'g1' }] }],
    ['a head of no kind', { head: { kind: 'gelu', name: 'g1', classes: 10 } }],
  ] as const) {
    it(`are all that is known: ${what} is refused by its name`, () => {
      const model = { ...lenet5('softmax', 0), ...spec } as unknown as ModelSpec;
      const expected =
        /^g1: expected one of the kinds conv, subsample, dense, softmax, rbf, but it is of the kind \w+\.$/;
      assert.throws(
        () => layoutOf(model),
        (error) => error instanceof ModelError && expected.test(error.message),
      );
    });
  }

  it('are told apart: a layer is no head', () => {
    assert.throws(
      () => headOf({ kind: 'dense', name: 'f6', classes: 10 }),
      /f6: expected one of the kinds softmax, rbf, but it is of the kind dense\./,
    );
  });
});

describe('floating-point operations of a sample', () => {
  // C1 needs no gradient of its input; after subsampling its maps have 14x14 positions, C3's 5x5.
  const convs = 2 * 150 * 14 * 14 + 3 * 1500 * 5 * 5;
  const denses = 3 * (400 * 120 + 120 * 84);

  it('are two for each multiplication forward and backward', () => {
    assert.equal(flopsPerSample(layoutOf(lenet5('softmax', 0))), 2 * (convs + denses + 3 * 84 * 10));
  });

  it('lack the gradient of weights where there are none', () => {
    assert.equal(flopsPerSample(layoutOf(lenet5('rbf', 0.1))), 2 * (convs + denses + 2 * 84 * 10));
  });
});
