import { LAYERS } from '../model/kinds.ts';

const ACTIVATIONS = LAYERS.flatMap(({ kind, activation }) => (activation === undefined ? [] : [kind]));

/** For the 7 classes of the first of the specs. */
export const SELF_TEST_LOSS = { labelSmoothing: 0.2, classWeights: [0.5, 1.25, 2, 1, 0.75, 3, 0.1] };

/** Specs that together have every kind of layer and head, and every operation: small, with sides that are odd or prime. */
export const SELF_TEST_SPECS: readonly unknown[] = [
  {
    name: 'self-test-layers',
    input: { maps: 4, height: 9, width: 11 },
    layers: [
      { kind: 'zero-pad', padding: [0, 1, 1, 0] },
      { name: 'stem', kind: 'conv', maps: 6, kernel: 3, stride: 2, padding: 'same', groups: 2 },
      { kind: 'batch-norm' },
      { name: 'a', kind: 'relu' },
      { kind: 'conv', maps: 6, kernel: [3, 1], padding: 'same', bias: false },
      { kind: 'group-norm', groups: 3 },
      { name: 'b', kind: 'leaky-relu' },
      { name: 'sum', kind: 'add', inputs: ['a', 'b'] },
      { kind: 'conv', maps: 6, kernel: 3, padding: [1, 1, 1, 1], groups: 6 },
      { name: 'c', kind: 'tanh' },
      { name: 'both', kind: 'concat', inputs: ['sum', 'c'] },
      { kind: 'max-pool', size: 3, stride: 2, padding: [1, 1, 1, 1] },
      { kind: 'average-pool', size: 2, stride: 1 },
      { kind: 'layer-norm' },
      { kind: 'dropout', rate: 0.3 },
      { kind: 'rescale', scale: 0.7, offset: -0.1 },
      { kind: 'sigmoid' },
      { kind: 'flatten' },
      { kind: 'dense', units: 13, bias: false },
      { kind: 'scaled-tanh' },
      { kind: 'dense', units: 7 },
    ],
    head: { kind: 'softmax', labelSmoothing: 0.1, classWeights: [1, 0.5, 2, 1, 1.5, 1, 0.75] },
  },
  {
    name: 'self-test-labels',
    input: { maps: 2, height: 7, width: 7 },
    layers: [
      {
        kind: 'conv',
        maps: 3,
        kernel: 2,
        table: [
          [0, 2],
          [1, 2],
        ],
      },
      { kind: 'subsample' },
      { kind: 'relu' },
      { kind: 'global-average-pool' },
      { kind: 'dense', units: 3 },
    ],
    head: 'sigmoid',
  },
  {
    name: 'self-test-numbers',
    input: { maps: 5, height: 1, width: 1 },
    layers: [{ kind: 'dense', units: 2 }],
    head: 'mse',
  },
  {
    name: 'self-test-distances',
    input: { maps: 5, height: 1, width: 1 },
    layers: [{ kind: 'dense', units: 3 }, { kind: 'tanh' }],
    head: {
      kind: 'rbf',
      targets: [
        [1, -1, 1],
        [-1, 1, 1],
        [1, 1, -1],
      ],
      j: 0.1,
    },
  },
  {
    name: 'self-test-activations',
    input: { maps: 2, height: 3, width: 5 },
    layers: [
      { name: 'stem', kind: 'conv', maps: 3, kernel: 1 },
      ...ACTIVATIONS.map((kind) => ({ name: kind, kind, inputs: ['stem'] })),
      { kind: 'concat', inputs: ACTIVATIONS },
      { kind: 'dense', units: 2 },
    ],
    head: 'mse',
  },
];
