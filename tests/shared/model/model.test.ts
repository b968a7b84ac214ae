import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BITMAP_HEIGHT, BITMAP_WIDTH, DIGIT_BITMAPS } from '#src/shared/model/bitmaps.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { type Head, lenet5 } from '#src/shared/model/lenet5.js';
import type { HeadSpec, LayerSpec, ModelSpec } from '#src/shared/model/spec.js';
import { ModelError } from '#src/shared/util/errors.js';

/** LeCun et al. 1998, section II.B: layer, output, trainable parameters, connections. */
const PAPER_LAYERS = [
  ['c1', '6@28x28', 156, 122_304],
  ['s2', '6@14x14', 12, 5_880],
  ['c3', '16@10x10', 1_516, 151_600],
  ['s4', '16@5x5', 32, 2_000],
  ['c5', '120@1x1', 48_120, 48_120],
  ['f6', '84@1x1', 10_164, 10_164],
] as const;
const OUTPUT_LAYERS = {
  softmax: ['output', '10@1x1', 850, 850],
  rbf: ['output', '10@1x1', 0, 840],
} as const;
const TOTAL_PARAMETERS = { softmax: 60_850, rbf: 60_000 } as const;

/** The checkpoint's names and shapes in flat order, with the first element's place. */
const TENSORS = [
  ['c1.weight', [6, 5, 5], 0],
  ['c1.bias', [6], 150],
  ['s2.coefficient', [6], 156],
  ['s2.bias', [6], 162],
  ['c3.weight', [60, 5, 5], 168],
  ['c3.bias', [16], 1_668],
  ['s4.coefficient', [16], 1_684],
  ['s4.bias', [16], 1_700],
  ['c5.weight', [120, 400], 1_716],
  ['c5.bias', [120], 49_716],
  ['f6.weight', [84, 120], 49_836],
  ['f6.bias', [84], 59_916],
] as const;
const OUTPUT_TENSORS = [
  ['output.weight', [10, 84], 60_000],
  ['output.bias', [10], 60_840],
] as const;

/** Table I by its columns: the maps of S2 that each map of C3 takes. */
const C3_INPUTS = [
  ...[
    [0, 1, 2],
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 5],
    [0, 4, 5],
    [0, 1, 5],
  ],
  ...[
    [0, 1, 2, 3],
    [1, 2, 3, 4],
    [2, 3, 4, 5],
    [0, 3, 4, 5],
    [0, 1, 4, 5],
    [0, 1, 2, 5],
  ],
  ...[
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
    [0, 1, 2, 3, 4, 5],
  ],
];

for (const head of ['softmax', 'rbf'] satisfies Head[]) {
  describe(`LeNet-5 with the ${head} head`, () => {
    const layout = layoutOf(lenet5(head, 0.1));

    for (const [index, row] of [...PAPER_LAYERS, OUTPUT_LAYERS[head]].entries()) {
      it(`has the paper's ${row[0]}: ${row[1]}, ${row[2]} parameters, ${row[3]} connections`, () => {
        const layer = layout.layers[index];
        assert.ok(layer);
        const { maps, height, width } = layer.output;
        const actual = [layer.spec.name, `${maps}@${height}x${width}`, layer.parameters, layer.connections];
        assert.deepEqual(actual, [...row]);
      });
    }

    it(`has ${TOTAL_PARAMETERS[head]} trainable parameters and no further layer`, () => {
      assert.equal(layout.parameters, TOTAL_PARAMETERS[head]);
      assert.equal(layout.layers.length, PAPER_LAYERS.length + 1);
    });

    it('packs its tensors in the order of the checkpoint', () => {
      const actual = layout.tensors.map(({ name, shape, offset }) => [name, shape, offset]);
      assert.deepEqual(actual, head === 'softmax' ? [...TENSORS, ...OUTPUT_TENSORS] : [...TENSORS]);
      const end = layout.tensors.reduce((next, tensor) => {
        assert.equal(tensor.offset, next, tensor.name);
        assert.equal(
          tensor.size,
          tensor.shape.reduce((product, side) => product * side, 1),
          tensor.name,
        );
        return next + tensor.size;
      }, 0);
      assert.equal(end, layout.parameters);
    });
  });
}

describe('the C3 table', () => {
  const c3 = layoutOf(lenet5('softmax', 0)).layers[2];

  it("gives each output map the paper's input maps", () => {
    assert.deepEqual(c3?.inputsOf, C3_INPUTS);
  });

  it('gives each of the 60 kernels the fan-in of its output map', () => {
    const fanIn = C3_INPUTS.flatMap((inputs) => inputs.map(() => 25 * inputs.length));
    assert.equal(fanIn.length, 60);
    assert.deepEqual(c3?.tensors[0]?.fanIn, fanIn);
  });

  it('is optional: without one, every input map feeds every output map', () => {
    const [first] = layoutOf(spec([{ kind: 'conv', name: 'c1', maps: 3, kernel: 5 }])).layers;
    assert.deepEqual(first?.inputsOf, [[0], [0], [0]]);
  });
});

describe('the RBF bitmaps', () => {
  it('are ten drawings of 7x12 pixels, each -1 or +1', () => {
    assert.equal(DIGIT_BITMAPS.length, 10);
    for (const [digit, bitmap] of DIGIT_BITMAPS.entries()) {
      assert.equal(bitmap.length, 84, `digit ${digit}`);
      assert.equal(bitmap.length, BITMAP_WIDTH * BITMAP_HEIGHT);
      assert.ok(
        bitmap.every((pixel) => pixel === 1 || pixel === -1),
        `digit ${digit}`,
      );
    }
  });

  it('differ from each other in at least 5 pixels', () => {
    for (const [a, first] of DIGIT_BITMAPS.entries()) {
      for (const [b, second] of [...DIGIT_BITMAPS.entries()].slice(a + 1)) {
        const distance = first.filter((pixel, i) => pixel !== second[i]).length;
        assert.ok(distance >= 5, `${a} and ${b} differ in ${distance} pixels`);
      }
    }
  });
});

describe('a spec that contradicts itself', () => {
  const softmax: HeadSpec = { kind: 'softmax', name: 'output', classes: 10 };
  const rbf = (targets: number[][]): HeadSpec => ({ kind: 'rbf', name: 'output', classes: 2, targets, j: 0.1 });
  const conv = (kernel: number, table?: number[][]): LayerSpec => {
    return { kind: 'conv', name: 'c1', maps: 2, kernel, ...(table ? { table } : {}) };
  };
  const dense: LayerSpec = { kind: 'dense', name: 'f1', units: 3, activation: 'relu' };
  const subsample: LayerSpec = { kind: 'subsample', name: 's2' };

  const cases: readonly (readonly [string, ModelSpec, RegExp])[] = [
    ['subsampling of odd sides', spec([conv(4), subsample]), /s2: .*even sides.* 2@29x29/],
    ['a kernel larger than its input', spec([conv(33)]), /c1: .*33x33.* 1@32x32/],
    ['a table with a row too many', spec([conv(5, [[0, 1], [0]])]), /c1: .*each of 1 input maps/],
    ['a table with a row too few', spec([conv(5, [])]), /c1: .*each of 1 input maps/],
    ['a table that names a map beyond the last', spec([conv(5, [[0, 2]])]), /c1: .*from 0 to 1/],
    ['a table that names a negative map', spec([conv(5, [[-1, 1]])]), /c1: .*from 0 to 1/],
    ['a table that names a fraction of a map', spec([conv(5, [[0.5, 1]])]), /c1: .*from 0 to 1/],
    ['too few RBF targets', spec([dense], rbf([[1, 1, 1]])), /output: expected 2 targets of 3 values/],
    [
      'RBF targets of another length',
      spec(
        [dense],
        rbf([
          [1, 1, 1],
          [1, 1],
        ]),
      ),
      /output: expected 2 targets of 3 values/,
    ],
  ];
  for (const [what, model, message] of cases) {
    it(`is refused: ${what}`, () => {
      assert.throws(
        () => layoutOf(model),
        (error) => error instanceof ModelError && error.code === 'ERR_MODEL' && message.test(error.message),
      );
    });
  }

  it('is told apart from a sound one', () => {
    const sound = spec(
      [conv(5, [[0, 1]]), subsample, dense],
      rbf([
        [1, 1, 1],
        [1, 1, -1],
      ]),
    );
    assert.equal(layoutOf(sound).parameters, 2 * 26 + 4 + 3 * (2 * 14 * 14 + 1));
    assert.equal(layoutOf({ ...sound, head: softmax }).layers.length, 4);
  });
});

function spec(layers: readonly LayerSpec[], head?: HeadSpec): ModelSpec {
  return {
    name: 'test',
    input: { height: 28, width: 28, padding: 2 },
    layers,
    head: head ?? { kind: 'softmax', name: 'output', classes: 10 },
  };
}
