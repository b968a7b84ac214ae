import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { BITMAP_HEIGHT, BITMAP_WIDTH, DIGIT_BITMAPS } from '#src/shared/model/bitmaps.js';
import { kindOf } from '#src/shared/model/kinds.js';
import { type ConvSpec, inputsOf } from '#src/shared/model/layers/conv-connections.js';
import type { LayerLayout } from '#src/shared/model/layers/placed-layer.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { specOf } from '#src/shared/model/registry.js';
import { ModelError } from '#src/shared/util/errors.js';
import { layoutFrom, lenet5, specFrom } from '../../support/models.ts';

/** LeCun et al. 1998, section II.B: layer, output, trainable parameters, connections. */
const PAPER_LAYERS = [
  ['c1', '6@28x28', 156, 122_304],
  ['s2', '6@14x14', 12, 5_880],
  ['c3', '16@10x10', 1_516, 151_600],
  ['s4', '16@5x5', 32, 2_000],
  ['c5', '120@1x1', 48_120, 48_120],
  ['f6', '84@1x1', 10_164, 10_164],
] as const;
const OUTPUT_LAYERS = { softmax: [['output', '10@1x1', 850, 850]], rbf: [] } as const;
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

for (const head of ['softmax', 'rbf'] as const) {
  describe(`LeNet-5 with the ${head} head`, () => {
    const layout = layoutOf(lenet5(head));
    const weighted = layout.layers.filter(({ parameters }) => parameters > 0);

    for (const [index, row] of [...PAPER_LAYERS, ...OUTPUT_LAYERS[head]].entries()) {
      it(`has the paper's ${row[0]}: ${row[1]}, ${row[2]} parameters, ${row[3]} connections`, () => {
        const layer = weighted[index];
        assert.ok(layer);
        const { maps, height, width } = layer.output;
        const actual = [
          layer.spec.name,
          `${maps}@${height}x${width}`,
          layer.parameters,
          kindOf(layer.spec).connections?.(layer),
        ];
        assert.deepEqual(actual, [...row]);
      });
    }

    it(`has ${TOTAL_PARAMETERS[head]} trainable parameters and no further layer`, () => {
      assert.equal(layout.parameters, TOTAL_PARAMETERS[head]);
      assert.equal(weighted.length, PAPER_LAYERS.length + OUTPUT_LAYERS[head].length);
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
  const c3 = layoutOf(lenet5('softmax')).layers.find(({ spec }) => spec.name === 'c3') as LayerLayout<ConvSpec>;

  it("gives each output map the paper's input maps", () => {
    assert.deepEqual(inputsOf(c3), C3_INPUTS);
  });

  it('gives each of the 60 kernels the fan-in of its output map', () => {
    const fanIn = C3_INPUTS.flatMap((inputs) => inputs.map(() => 25 * inputs.length));
    assert.equal(fanIn.length, 60);
    assert.deepEqual(c3.tensors[0]?.fanIn, fanIn);
  });

  it('is optional: without one, every input map feeds every output map', () => {
    const { layers } = layoutFrom([
      { kind: 'conv', maps: 3, kernel: 5 },
      { kind: 'dense', units: 10 },
    ]);
    assert.deepEqual(inputsOf(layers[0] as LayerLayout<ConvSpec>), [[0], [0], [0]]);
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
  const dense = { kind: 'dense', name: 'f1', units: 3 };
  const conv = (kernel: number, rest = {}) => ({ kind: 'conv', name: 'c1', maps: 2, kernel, ...rest });
  const subsample = { kind: 'subsample', name: 's2' };
  const rbf = (...targets: number[][]) => ({ head: { kind: 'rbf', targets } });
  const cases: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['subsampling of odd sides', () => layoutFrom([conv(4), subsample, dense]), /s2: .*even sides.* 2@25x25/],
    ['a kernel larger than its input', () => layoutFrom([conv(29), dense]), /c1: .*29x29.* 1@28x28/],
    [
      'a table with a row too many',
      () => layoutFrom([conv(5, { table: [[0, 1], [0]] }), dense]),
      /c1: .*each of 1 input maps/,
    ],
    ['a table with a row too few', () => layoutFrom([conv(5, { table: [] }), dense]), /c1: .*each of 1 input maps/],
    [
      'a table that names a map beyond the last',
      () => layoutFrom([conv(5, { table: [[0, 2]] }), dense]),
      /c1: .*from 0 to 1/,
    ],
    ['a table that leaves a map out', () => layoutFrom([conv(5, { table: [[0]] }), dense]), /c1: .*without inputs/],
    ['a table that names a negative map', () => specFrom([conv(5, { table: [[-1, 1]] }), dense]), /c1: table/],
    ['a table that names a fraction of a map', () => specFrom([conv(5, { table: [[0.5, 1]] }), dense]), /c1: table/],
    [
      'a table beside groups',
      () => layoutFrom([conv(5), conv(3, { name: 'c2', groups: 2, table: [[0], [1]] }), dense]),
      /c2: .*not both/,
    ],
    ['groups that do not divide the maps', () => layoutFrom([conv(5, { groups: 2 }), dense]), /c1: 2 groups/],
    ['a head without a vector', () => layoutFrom([conv(5)]), /softmax: .*2@24x24/],
    [
      'RBF targets of another length',
      () => layoutFrom([dense], rbf([1, 1, 1], [1, 1])),
      /rbf: expected targets of 3 values/,
    ],
    [
      'class weights for other classes',
      () => layoutFrom([dense], { head: { kind: 'softmax', classWeights: [1] } }),
      /classWeights has 1/,
    ],
    [
      'a sum of two shapes',
      () => layoutFrom([conv(5), { kind: 'add', inputs: ['c1', 'input'] }, dense]),
      /add2: .*2@24x24.*1@28x28/,
    ],
    [
      'a concatenation of two sizes',
      () => layoutFrom([conv(5), { kind: 'concat', inputs: ['c1', 'input'] }, dense]),
      /concat2: .*2@24x24, 1@28x28/,
    ],
    [
      'padding that fills a window',
      () => layoutFrom([{ kind: 'max-pool', size: 2, padding: [2, 0, 0, 0] }, dense]),
      /max-pool1: its padding/,
    ],
    [
      'groups of a norm',
      () => layoutFrom([conv(5), { kind: 'group-norm', groups: 3 }, dense]),
      /group-norm2: 3 groups/,
    ],
    ['an output that nobody reads', () => layoutFrom([conv(5), { ...dense, inputs: ['input'] }]), /c1: no layer reads/],
    [
      'a layer that reads a later one',
      () => specFrom([{ ...conv(5), inputs: ['f1'] }, dense]),
      /c1 reads f1, but no layer before/,
    ],
    ['two layers of one name', () => specFrom([dense, dense]), /two layers are called f1/],
    ['too few inputs', () => specFrom([{ kind: 'add' }, dense]), /add1 \(add\) takes 2 to 64 inputs, but it has 1/],
    [
      'an unknown kind',
      () => specFrom([{ kind: 'gelu', name: 'g1' }, dense]),
      /the layer g1 is of the unknown kind gelu. The kinds are conv, dense/,
    ],
    ['an unknown field', () => specFrom([{ ...dense, activation: 'relu' }]), /the layer f1: .*activation/],
    ['a field of another type', () => specFrom([{ ...dense, units: '3' }]), /the layer f1: units/],
    ['a dense layer inside without units', () => specFrom([{ kind: 'dense' }, dense]), /the layer dense1 has no units/],
    [
      'layers that take too much',
      () => layoutFrom([conv(1, { maps: 60_000 }), dense]),
      /c1: .*more than 16777216 values/,
    ],
    ['too many parameters', () => layoutFrom([{ ...dense, units: 100_000 }]), /parameters are more than/],
  ];
  for (const [what, make, message] of cases) {
    it(`is refused: ${what}`, () => {
      assert.throws(make, (error) => {
        assert.ok(error instanceof ModelError && error.code === 'ERR_MODEL');
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

describe('a spec', () => {
  it('is the same when it is read again', () => {
    const spec = specFrom([
      { kind: 'conv', maps: 2, kernel: 3, padding: 'same' },
      { kind: 'relu' },
      { kind: 'dense', units: 4 },
    ]);
    assert.deepEqual(parseModel(JSON.parse(JSON.stringify(spec)), undefined, 'test'), spec);
  });

  it('takes its input and the units of its last layer from the data set', () => {
    const json = { name: 'open', layers: [{ kind: 'dense', units: 5 }, { kind: 'relu' }, { kind: 'dense' }] };
    const { input, classes } = layoutOf(parseModel(json, { maps: 3, height: 8, width: 9, classes: 7 }, 'open'));
    assert.deepEqual([input, classes], [{ maps: 3, height: 8, width: 9 }, 7]);
    assert.throws(() => parseModel(json, undefined, 'open'), /input isn't given/);
  });

  it('is read again from a checkpoint of as many features as a data set may have', () => {
    const json = { name: 'head', layers: [{ kind: 'dense' }] };
    const spec = parseModel(json, { maps: 65_535, height: 1, width: 1, classes: 2 }, 'head');
    assert.deepEqual(parseModel(spec, undefined, 'again'), spec);
    assert.throws(() => parseModel({ ...spec, input: { ...spec.input, maps: 65_536 } }, undefined, 'again'), /maps/);
  });

  it('has state behind everything else', () => {
    const { tensors, trainable } = layoutFrom([
      { kind: 'conv', maps: 2, kernel: 3 },
      { kind: 'batch-norm' },
      { kind: 'dense', units: 2 },
    ]);
    assert.deepEqual(
      tensors.map(({ name }) => name),
      [
        ...['conv1.weight', 'conv1.bias', 'batch-norm2.weight', 'batch-norm2.bias', 'dense3.weight', 'dense3.bias'],
        ...['batch-norm2.running_mean', 'batch-norm2.running_var'],
      ],
    );
    assert.equal(tensors.find(({ name }) => name.endsWith('running_mean'))?.offset, trainable);
  });

  it('ends within its bounds, however large it is', () => {
    const layers = Array.from({ length: 1_000_000 }, () => ({ kind: 'relu' }));
    assert.throws(() => specFrom(layers), /it has 1000000 layers; 1000 is the most/);
  });
});

it('a preset has the head mse for numbers, or if it is given', () => {
  const data = { maps: 3, height: 1, width: 1, classes: 1 };
  const kindOf = (head: 'softmax' | 'mse', targets: 'uint16' | 'float32') =>
    specOf({ model: 'mlp', head, rbfJ: 0.1 }, { ...data, targets }).head.kind;
  assert.deepEqual([kindOf('softmax', 'uint16'), kindOf('softmax', 'float32')], ['softmax', 'mse']);
  assert.deepEqual([kindOf('mse', 'uint16'), kindOf('mse', 'float32')], ['mse', 'mse']);
  const options = resolveTrainConfig({ flags: { head: 'mse' }, env: {} }).config;
  assert.equal(specOf(options).head.kind, 'mse');
});
