// What the functions besides a program's operations are tried on: the update, and what decides samples and initial weights.
import { initialWeights } from '../../model/initialize.ts';
import { MAX_SHIFT } from '../augmentations/shift.ts';
import { reduceTree } from '../reduce.ts';
import { Sampler } from '../sampler.ts';
import { factorAt } from '../schedule-table.ts';
import { splitOf, treeSum } from '../tree.ts';
import type { Cases } from './lenet-cases.ts';
import type { Trial } from './trial.ts';

/** Parameters: whole registers. */
const COUNT = 44;
const RATES = [0.001, 0.9, 0.999, 1 - 2 ** -40, 0.5];

export const UPDATE_CASES: Cases<
  'add' | 'meanAndSquares' | 'sgd' | 'adam' | 'follow' | 'biasCorrection' | 'learningRate' | 'scheduleTable'
> = {
  add(trial) {
    const [a, b, out] = [trial.floats(COUNT), trial.floats(COUNT), trial.room(4 * COUNT)];
    trial.kernel.add(out, a, b, COUNT);
    trial.floatsAt(out, COUNT);
  },
  meanAndSquares(trial) {
    const [sum, mean] = [trial.floats(COUNT), trial.room(4 * COUNT)];
    trial.number(trial.kernel.meanAndSquares(mean, sum, COUNT, 1 / 96));
    trial.floatsAt(mean, COUNT);
  },
  sgd(trial) {
    const [w, m, gradient, wNext, mNext] = vectors(trial, 5);
    for (const decay of [0, 0.01]) {
      trial.kernel.sgd(w, wNext, m, mNext, gradient, COUNT, 0.7, 0.05, 0.9, decay);
      for (const vector of [wNext, mNext]) trial.floatsAt(vector, COUNT);
    }
  },
  adam(trial) {
    const [w, m, gradient, wNext, mNext] = vectors(trial, 5);
    const [v, vNext] = [trial.positives(COUNT), trial.room(4 * COUNT)];
    const zeros = trial.room(4 * COUNT);
    // The last one's second moments are about to be flushed to zero.
    for (const [clip, decay, shrink, before] of [
      [0.7, 0, 0, v],
      [0.7, 0.01, 0, v],
      [0.7, 0, 3e-5, v],
      [2 ** -15, 0, 0, zeros],
    ] as const) {
      const scalars = [clip, decay, shrink, 0.004, 1.3, 0.9, 0.999, 1 - 0.9, 1 - 0.999, 1e-8] as const;
      trial.kernel.adam(w, wNext, m, mNext, before, vNext, gradient, COUNT, ...scalars);
      for (const vector of [wNext, mNext, vNext]) trial.floatsAt(vector, COUNT);
    }
  },
  follow(trial) {
    const [w, mean, wNext] = vectors(trial, 3);
    trial.kernel.follow(w, wNext, mean, COUNT, 0.1);
    trial.floatsAt(wNext, COUNT);
  },
  biasCorrection(trial) {
    for (const beta of RATES)
      for (const t of [1, 2, 3, 1000, 123_457]) trial.number(trial.kernel.biasCorrection(beta, t));
  },
  learningRate(trial) {
    for (const rate of RATES)
      for (const t of [0, 1, 6, 7, 8, 50, 99, 100, 101])
        for (const isCosine of [true, false]) trial.number(trial.kernel.learningRate(rate, 7, 100, isCosine, t));
  },
  scheduleTable(trial) {
    const table = [3, 10, 11, 1000, 2 ** 32 - 1].map((step, i) => [step, RATES[i] as number] as const);
    for (const t of [0, 3, 4, 9, 10, 11, 12, 337, 1000, 2 ** 31, 2 ** 32 - 1]) trial.number(factorAt(table, t));
  },
};

function vectors(trial: Trial, count: 3): [number, number, number];
function vectors(trial: Trial, count: 5): [number, number, number, number, number];
function vectors(trial: Trial, count: number): number[] {
  return Array.from({ length: count }, () => trial.floats(COUNT));
}

/** These have no inputs that could be special. */
export const SCHEME_CASES: Cases<'initialWeights' | 'sampler' | 'augmentation' | 'tree' | 'rounds'> = {
  initialWeights(trial) {
    const tensors = [
      { offset: 0, size: 6, fanIn: [7, 25], fill: 0 },
      { offset: 6, size: 3, fanIn: [], fill: 0.25 },
      { offset: 9, size: 4, fanIn: [3, 3], fill: 0 },
    ];
    for (const seed of [1, 2 ** 53 - 1])
      trial.text(initialWeights({ parameters: 13, tensors }, seed, trial.kernel.squareRoot).join());
  },
  sampler(trial) {
    const sampler = new Sampler({ samples: 37, batch: 16, seed: 2 ** 40 + 7, augment: 'none' });
    drawn(trial, sampler, ({ indices }) => indices);
  },
  augmentation(trial) {
    trial.text(`${MAX_SHIFT}`);
    drawn(trial, new Sampler({ samples: 37, batch: 16, seed: 2 ** 40 + 7, augment: 'shift' }), ({ shifts }) => shifts);
  },
  /** Local steps of replicas, and their average; which shards a replica has and what it updates are in its version. */
  rounds(trial) {
    for (const replicas of [2, 4, 8]) averaged(trial, replicas);
  },
  tree(trial) {
    for (const shards of [1, 2, 3, 5, 7, 8, 13, 64, 100]) {
      const leaf = (range: { readonly begin: number; readonly end: number }): string | undefined =>
        range.end - range.begin === 1 ? `${range.begin}` : undefined;
      trial.text(reduceTree({ begin: 0, end: shards }, leaf, (left, right) => `(${left}+${right})`));
      trial.text(`${splitOf({ begin: shards, end: 2 * shards + 1 })}`);
      trial.number(treeSum(Array.from({ length: shards }, (_, i) => 1 / (i + 3))));
    }
  },
};

/** The average of the states of replicas. */
function averaged(trial: Trial, replicas: number): void {
  const states = Array.from({ length: replicas }, () => trial.floats(COUNT));
  const sum = reduceTree({ begin: 0, end: replicas }, one(states), (left, right) => {
    trial.kernel.add(left, left, right, COUNT);
    return left;
  });
  const mean = trial.room(4 * COUNT);
  trial.kernel.meanAndSquares(mean, sum, COUNT, 1 / replicas);
  trial.floatsAt(mean, COUNT);
}

const one = (leaves: readonly number[]) => (range: { readonly begin: number; readonly end: number }) =>
  range.end - range.begin === 1 ? leaves[range.begin] : undefined;

function drawn(
  trial: Trial,
  sampler: Sampler,
  part: (drawn: { readonly indices: Int32Array; readonly shifts: Int8Array }) => ArrayLike<number>,
): void {
  for (const t of [0, 1, 2, 2 ** 40]) {
    const [indices, shifts] = [new Int32Array(16), new Int8Array(32)];
    sampler.fill(t, 0, 16, indices, shifts);
    trial.text(Array.from(part({ indices, shifts })).join());
  }
}
