import { DIGIT_BITMAPS } from '../bitmaps.ts';
import type { Preset } from './preset.ts';

/** LeCun et al. 1998, table I: per map of S2, the maps of C3 that it feeds. */
const C3_TABLE: readonly (readonly number[])[] = [
  [0, 4, 5, 6, 9, 10, 11, 12, 14, 15],
  [0, 1, 5, 6, 7, 10, 11, 12, 13, 15],
  [0, 1, 2, 6, 7, 8, 11, 13, 14, 15],
  [1, 2, 3, 6, 7, 8, 9, 12, 14, 15],
  [2, 3, 4, 7, 8, 9, 10, 12, 13, 15],
  [3, 4, 5, 8, 9, 10, 11, 13, 14, 15],
];

/** LeNet-5 on 28x28 digits. */
export const lenet5: Preset = {
  name: 'lenet5',
  text: 'LeNet-5 as LeCun et al. had it in 1998, with ReLU',
  data: { maps: 1, height: 28, width: 28, classes: 10 },
  spec: (data, { head, rbfJ }) => ({
    name: 'lenet5',
    input: { maps: 1, height: 28, width: 28 },
    layers: [
      { name: 'padding', kind: 'zero-pad', padding: 2 },
      // A table, so that its weights keep the shape [6][5][5] of checkpoints of version 0.1.0.
      { name: 'c1', kind: 'conv', maps: 6, kernel: 5, table: [[0, 1, 2, 3, 4, 5]] },
      { name: 's2', kind: 'subsample' },
      { name: 's2.relu', kind: 'relu' },
      { name: 'c3', kind: 'conv', maps: 16, kernel: 5, table: C3_TABLE },
      { name: 's4', kind: 'subsample' },
      { name: 's4.relu', kind: 'relu' },
      { name: 'c5', kind: 'dense', units: 120 },
      { name: 'c5.relu', kind: 'relu' },
      { name: 'f6', kind: 'dense', units: 84 },
      // Only a bounded activation can settle on the bitmaps' -1 and +1.
      ...(head === 'rbf'
        ? [{ name: 'f6.tanh', kind: 'scaled-tanh' }]
        : [
            { name: 'f6.relu', kind: 'relu' },
            { name: 'output', kind: 'dense', units: data?.classes ?? 10 },
          ]),
    ],
    head: head === 'rbf' ? { kind: 'rbf', targets: DIGIT_BITMAPS, j: rbfJ } : 'softmax',
    // As in version 0.1.0: its golden hashes stand.
    decay: 'all',
  }),
};
