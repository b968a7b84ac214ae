import { DIGIT_BITMAPS } from './bitmaps.ts';
import type { Activation } from './layers/activation.ts';
import type { ModelSpec } from './spec.ts';

/** LeCun et al. 1998, table I: per map of S2, the maps of C3 that it feeds. */
const C3_TABLE: readonly (readonly number[])[] = [
  [0, 4, 5, 6, 9, 10, 11, 12, 14, 15],
  [0, 1, 5, 6, 7, 10, 11, 12, 13, 15],
  [0, 1, 2, 6, 7, 8, 11, 13, 14, 15],
  [1, 2, 3, 6, 7, 8, 9, 12, 14, 15],
  [2, 3, 4, 7, 8, 9, 10, 12, 13, 15],
  [3, 4, 5, 8, 9, 10, 11, 13, 14, 15],
];

export const LENET5_HEADS = ['softmax', 'rbf'] as const;
export type Head = (typeof LENET5_HEADS)[number];

/** LeNet-5 on 28x28 digits. `rbfJ` is the constant j of the MAP loss, used by the RBF head alone. */
export function lenet5(head: Head, rbfJ: number): ModelSpec {
  // Only a bounded activation can settle on the bitmaps' -1 and +1.
  const f6: Activation = head === 'rbf' ? 'scaled-tanh' : 'relu';
  return {
    name: 'lenet5',
    input: { height: 28, width: 28, padding: 2 },
    layers: [
      { kind: 'conv', name: 'c1', maps: 6, kernel: 5 },
      { kind: 'subsample', name: 's2' },
      { kind: 'conv', name: 'c3', maps: 16, kernel: 5, table: C3_TABLE },
      { kind: 'subsample', name: 's4' },
      { kind: 'dense', name: 'c5', units: 120, activation: 'relu' },
      { kind: 'dense', name: 'f6', units: 84, activation: f6 },
    ],
    head:
      head === 'rbf'
        ? { kind: 'rbf', name: 'output', classes: 10, targets: DIGIT_BITMAPS, j: rbfJ }
        : { kind: 'softmax', name: 'output', classes: 10 },
  };
}
