import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SELF_TEST_SPECS } from '#src/shared/engine/self-test-models.js';
import { flopsPerSample } from '#src/shared/model/flops.js';
import { HEADS, headOf, kindOf, LAYERS } from '#src/shared/model/kinds.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { ModelError } from '#src/shared/util/errors.js';
import { EVERY_KIND } from '../../inspect/export/specs.ts';
import { lenet5 } from '../../support/models.ts';
import { LAYER_KINDS } from '../../support/reference/layers/kinds.ts';

describe('the kinds of layers and heads', () => {
  it('are found by their names, which are distinct', () => {
    for (const kinds of [LAYERS, HEADS]) assert.equal(new Set(kinds.map(({ kind }) => kind)).size, kinds.length);
    for (const layer of LAYERS) assert.equal(kindOf({ kind: layer.kind, name: 'x', inputs: [] }), layer);
    for (const head of HEADS) assert.equal(headOf({ kind: head.kind }), head);
  });

  it('are all in the self-test, in the float64 reference and in the tests of exports', () => {
    const specs = [...SELF_TEST_SPECS, EVERY_KIND] as readonly {
      readonly layers: readonly { readonly kind: string }[];
    }[];
    const [tried, exported] = [specs.slice(0, -1), specs.slice(-1)].map((some) =>
      some.flatMap(({ layers }) => layers.map(({ kind }) => kind)),
    );
    for (const { kind } of LAYERS)
      for (const [where, kinds] of Object.entries({ tried, exported, reference: LAYER_KINDS as readonly string[] }))
        assert.ok(kinds?.includes(kind), `${where}: ${kind} is missing`);
  });

  it('have numbers of their own as activations', () => {
    const numbers = LAYERS.flatMap(({ activation }) => activation ?? []);
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: numbers.length }, (_, i) => i + 1),
    );
  });

  for (const kind of ['gelu', 'toString', 'softmax']) {
    it(`are all that is known: a layer of the kind ${kind} is refused`, () => {
      assert.throws(
        () => kindOf({ kind, name: 'g1', inputs: [] }),
        (error) =>
          error instanceof ModelError &&
          /^g1: expected one of the kinds conv, .*but it is of the kind \w+\.$/.test(error.message),
      );
    });
  }

  it('are told apart: a layer is no head', () => {
    assert.throws(() => headOf({ kind: 'dense' }), /head: expected one of the kinds softmax, rbf, sigmoid, mse, but/);
  });
});

describe('floating-point operations of a sample', () => {
  // C1 needs no gradient of its input; after subsampling its maps have 14x14 positions, C3's 5x5.
  const convs = 2 * 150 * 14 * 14 + 3 * 1500 * 5 * 5;
  const denses = 3 * (400 * 120 + 120 * 84);

  it('are two for each multiplication forward and backward', () => {
    assert.equal(flopsPerSample(layoutOf(lenet5('softmax'))), 2 * (convs + denses + 3 * 84 * 10));
  });

  it('are none for the head', () => {
    assert.equal(flopsPerSample(layoutOf(lenet5('rbf'))), 2 * (convs + denses));
  });
});
