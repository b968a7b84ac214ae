// What the operations of the other layers are tried on.
import { LAYERS } from '../../model/kinds.ts';
import { LANES, POSITION, pair, sides, stackAt, type Value } from '../../model/layers/emit.ts';
import type { OperationName } from '../operations.ts';
import type { Cases } from './lenet-cases.ts';
import type { Trial } from './trial.ts';

const SHAPE = { maps: 6, height: 5, width: 7 } as const;
const [MAPS, SIDES] = [SHAPE.maps, sides(SHAPE)];
const EPSILON = 1e-5;
/** Padded inputs of convolutions, so that rows and planes aren't those of the maps. */
const BORDER = { top: 1, left: 2, bottom: 1, right: 1 } as const;
/** The activations that were there when `activate` was defined, and the linear one. Those after them have digests of their own. */
const FIRST_ACTIVATIONS = [0, 1, 2, 3, 4, 5];
const SLOPE = 0.01;

export const INPUT_CASES: Cases<'decodeBytes' | 'decodeFloats' | 'packWeights'> = {
  decodeBytes: (trial) => tryDecode(trial, 'decodeBytes', (count) => trial.bytes(trial.below(count, 256))),
  decodeFloats: (trial) => tryDecode(trial, 'decodeFloats', (count) => trial.floats(count)),
  // How weights are packed is no part of the numerics: what `conv` makes of them is.
  packWeights(trial) {
    const x = trial.stack({ maps: 2, height: 1, width: 1 });
    const taps = trial.integers([0, x.plane]);
    const weight = trial.floats(40);
    const offsets = trial.integers([12, 4]);
    const out = trial.target({ maps: 5, height: 1, width: 1 });
    const packed = trial.room(packedBytes(5, 2));
    trial.run('packWeights', [weight, 5, 2, 32, offsets, packed]);
    trial.run('conv', [x.at, 0, 0, taps, 2, packed, -1, 5, 1, 1, out.at, out.row, POSITION, out.plane, 0]);
    trial.stackAt(out);
  },
};

function tryDecode(trial: Trial, name: 'decodeBytes' | 'decodeFloats', samplesOf: (count: number) => number): void {
  const shape = { maps: 3, height: 5, width: 6 };
  const samples = samplesOf(4 * 3 * 5 * 6);
  const indices = trial.integers(trial.below(LANES, 4));
  const shifts = trial.bytes(trial.below(2 * LANES, 15).map((shift) => (shift - 7) & 255));
  const out = trial.target(shape, BORDER);
  trial.run(name, [out, indices, shifts, shape.maps, sides(shape)], { samples });
  trial.stackAt(out);
}

export const CONV_CASES: Cases<'conv' | 'convWeightGradient' | 'biasGradient'> = {
  conv(trial) {
    const x = trial.stack(SHAPE, BORDER);
    const all = tapsOf(x, 3);
    for (const [maps, step, flush] of [
      [5, 1, 0],
      [4, 2, 1],
      [1, 1, 1],
    ] as const) {
      const [height, width] = [Math.floor(4 / step) + 1, Math.floor(6 / step) + 1];
      const out = trial.target({ maps, height, width }, BORDER);
      const bias = flush === 0 ? trial.floats(maps) : -1;
      for (const taps of [all, all.slice(0, 1), []]) {
        const packed = packedWeights(trial, maps, taps.length);
        const from = [x.at - x.row - POSITION, step * x.row, step * POSITION, trial.integers(taps), taps.length];
        const to = [out.at, out.row, POSITION, out.plane];
        trial.run('conv', [...from, packed, bias, maps, height, width, ...to, flush]);
        trial.stackAt(out);
      }
    }
  },
  convWeightGradient(trial) {
    const x = trial.stack(SHAPE, BORDER);
    for (const [maps, inputs] of [
      [5, 3],
      [2, 6],
      [1, 1],
    ] as const) {
      const taps = tapsOf(x, inputs);
      const d = trial.stack({ ...SHAPE, maps });
      const gradient = trial.floats(maps * taps.length);
      const from = [x.at - x.row - POSITION, x.row, POSITION, trial.integers(taps), taps.length];
      trial.run('convWeightGradient', [...from, d.at, d.row, d.plane, maps, SHAPE.height, SHAPE.width, gradient]);
      trial.floatsAt(gradient, maps * taps.length);
    }
  },
  biasGradient(trial) {
    const [d, gradient] = [trial.stack(SHAPE, BORDER), trial.floats(MAPS)];
    trial.run('biasGradient', [d, MAPS, SIDES, gradient]);
    trial.floatsAt(gradient, MAPS);
  },
};

/** Weights for `taps` taps of each map, packed. */
function packedWeights(trial: Trial, maps: number, taps: number): number {
  const order = trial.integers(Array.from({ length: taps }, (_, tap) => 4 * tap));
  const packed = trial.room(packedBytes(maps, taps));
  trial.run('packWeights', [trial.floats(maps * taps), maps, taps, 4 * taps, order, packed]);
  return packed;
}

/** Bytes of packed weights, however many maps lie side by side (at most 16). */
function packedBytes(maps: number, taps: number): number {
  return 4 * taps * (maps + 15);
}

/** The byte offsets of 3x3 taps of the first input maps, in their order. */
function tapsOf(x: Value, inputs: number): number[] {
  const taps = Array.from({ length: 9 * inputs }, (_, tap) => tap);
  return taps.map((tap) => Math.floor(tap / 9) * x.plane + Math.floor((tap % 9) / 3) * x.row + (tap % 3) * POSITION);
}

/** Windows of 3x2 at strides 2 and 1, padded above and to the left: 3x8 outputs. */
const WINDOWS = [pair([3, 2]), pair([2, 1]), pair([1, 1])];
const POOLED = { maps: MAPS, height: 3, width: 8 } as const;
const POOL_SIZES = [MAPS, SIDES, sides(POOLED), ...WINDOWS];

export const POOL_CASES: Cases<Extract<OperationName, `${'max' | 'average'}Pool${string}`>> = {
  maxPool: (trial) => tryPool(trial, 'maxPool'),
  averagePool: (trial) => tryPool(trial, 'averagePool'),
  maxPoolBackward(trial) {
    const [x, dy, dx] = [trial.stack(SHAPE), trial.stack(POOLED), trial.target(SHAPE, BORDER)];
    trial.run('maxPoolBackward', [x, dy, dx, ...POOL_SIZES]);
    trial.stackAt(dx);
  },
  averagePoolBackward(trial) {
    const [dy, dx] = [trial.stack(POOLED), trial.target(SHAPE, BORDER)];
    trial.run('averagePoolBackward', [dy, dx, ...POOL_SIZES]);
    trial.stackAt(dx);
  },
};

function tryPool(trial: Trial, name: 'maxPool' | 'averagePool'): void {
  const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(POOLED)];
  trial.run(name, [x, out, ...POOL_SIZES]);
  trial.stackAt(out);
}

export const ACTIVATION_CASES: Cases<'activate' | 'activateBackward'> = {
  activate: (trial) => tryActivate(trial, FIRST_ACTIVATIONS, SLOPE),
  activateBackward: (trial) => tryActivateBackward(trial, FIRST_ACTIVATIONS, SLOPE),
};

/** What the digests have of an activation that isn't one of the first. */
export function activationName(kind: string): `activate.${string}` {
  return `activate.${kind}`;
}

/** By `activationName`. */
export const LATER_ACTIVATION_CASES: Cases<`activate.${string}`> = Object.fromEntries(
  LAYERS.filter(({ activation = 0 }) => activation >= FIRST_ACTIVATIONS.length).map(({ kind, activation = 0 }) => [
    activationName(kind),
    (trial: Trial): void => {
      for (const parameter of [SLOPE, 1]) {
        tryActivate(trial, [activation], parameter);
        tryActivateBackward(trial, [activation], parameter);
      }
    },
  ]),
);

function tryActivate(trial: Trial, codes: readonly number[], parameter: number): void {
  const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
  for (const code of codes) {
    trial.run('activate', [x, out, MAPS, SIDES, code, parameter]);
    trial.stackAt(out);
  }
}

function tryActivateBackward(trial: Trial, codes: readonly number[], parameter: number): void {
  const [y, dy, dx] = [trial.stack(SHAPE, BORDER), trial.stack(SHAPE), trial.target(SHAPE)];
  for (const code of codes) {
    trial.run('activateBackward', [y, dy, dx, MAPS, SIDES, code, parameter]);
    trial.stackAt(dx);
  }
}

/** Bytes for what a norm keeps of a map or group for its backward pass, which is no part of the numerics. */
const SAVED = 2 * POSITION;

export const NORM_CASES: Cases<Extract<OperationName, `batchNorm${string}` | `groupNorm${string}`>> = {
  batchNorm: (trial) => void tryBatchNorm(trial),
  batchNormInference(trial) {
    const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
    const tensors = [trial.floats(MAPS), trial.floats(MAPS), trial.floats(MAPS), trial.positives(MAPS)];
    trial.run('batchNormInference', [x, out, MAPS, SIDES, ...tensors, EPSILON]);
    trial.stackAt(out);
  },
  batchNormInferenceBackward(trial) {
    const [dy, dx] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
    trial.run('batchNormInferenceBackward', [dy, dx, MAPS, SIDES, trial.floats(MAPS), trial.positives(MAPS), EPSILON]);
    trial.stackAt(dx);
  },
  batchNormBackward(trial) {
    const { x, saved } = tryBatchNorm(trial);
    const [dy, dx] = [trial.stack(SHAPE), trial.target(SHAPE)];
    const [weight, gradient] = [trial.positives(MAPS), trial.floats(2 * MAPS)];
    trial.run('batchNormBackward', [x, dy, dx, MAPS, SIDES, weight, saved, gradient]);
    trial.stackAt(dx);
    trial.floatsAt(gradient, 2 * MAPS);
  },
  groupNorm(trial) {
    for (const groups of GROUPS) tryGroupNorm(trial, groups);
  },
  groupNormBackward(trial) {
    for (const groups of GROUPS) {
      const { x, saved } = tryGroupNorm(trial, groups);
      const [dy, dx] = [trial.stack(SHAPE), trial.target(SHAPE)];
      const [weight, gradient] = [trial.positives(MAPS), trial.floats(2 * MAPS)];
      trial.run('groupNormBackward', [x, dy, dx, MAPS, SIDES, groups, weight, saved, gradient]);
      trial.stackAt(dx);
      trial.floatsAt(gradient, 2 * MAPS);
    }
  },
};

const GROUPS = [1, 3, MAPS];

function tryBatchNorm(trial: Trial) {
  const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
  const tensors = [trial.floats(MAPS), trial.floats(MAPS)];
  const saved = trial.room(SAVED * MAPS);
  const running = [trial.floats(MAPS), trial.floats(MAPS)];
  trial.run('batchNorm', [x, out, MAPS, SIDES, ...tensors, saved, ...running, EPSILON]);
  trial.stackAt(out);
  for (const at of running) trial.floatsAt(at, MAPS);
  return { x, saved };
}

function tryGroupNorm(trial: Trial, groups: number) {
  const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
  const [weight, bias, saved] = [trial.floats(MAPS), trial.floats(MAPS), trial.room(SAVED * groups)];
  trial.run('groupNorm', [x, out, MAPS, SIDES, groups, weight, bias, saved, EPSILON]);
  trial.stackAt(out);
  return { x, saved };
}

export const ELEMENTWISE_CASES: Cases<
  'dropout' | 'dropoutBackward' | 'addMaps' | 'copyMaps' | 'affine' | 'mapAffine' | 'mapAffineBackward'
> = {
  dropout(trial) {
    const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
    const mask = trial.room(positions());
    const [samples, key] = [trial.integers(trial.below(2 * LANES, 2 ** 31)), trial.integers(trial.below(2, 2 ** 31))];
    // A third, and nearly all: thresholds are unsigned.
    for (const [place, threshold, scale] of [
      [0, 0x55555555, 1.5],
      [300, 0xf0000000 | 0, 16],
    ] as const) {
      trial.run('dropout', [x, out, MAPS, SIDES, place, threshold, scale, mask, samples, key]);
      trial.stackAt(out);
      trial.bytesAt(mask, positions());
    }
  },
  dropoutBackward(trial) {
    const [dy, dx] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
    trial.run('dropoutBackward', [dy, dx, MAPS, SIDES, 1.5, trial.bytes(trial.below(positions(), 256))]);
    trial.stackAt(dx);
  },
  addMaps(trial) {
    const [a, b, out] = [trial.stack(SHAPE, BORDER), trial.stack(SHAPE), trial.target(SHAPE)];
    trial.run('addMaps', [a, b, out, MAPS, SIDES]);
    trial.stackAt(out);
  },
  copyMaps(trial) {
    const [x, out] = [trial.stack(SHAPE), trial.target(SHAPE, BORDER)];
    trial.run('copyMaps', [x, out, MAPS, SIDES]);
    trial.stackAt(out);
  },
  affine(trial) {
    const [x, out] = [trial.stack(SHAPE), trial.target(SHAPE, BORDER)];
    trial.run('affine', [x, out, MAPS, SIDES, -0.3, 1.7]);
    trial.stackAt(out);
    trial.run('affine', [x, out, MAPS, SIDES, 2 ** -59, 0]);
    trial.stackAt(out);
  },
  mapAffine(trial) {
    const [x, out] = [trial.stack(SHAPE, BORDER), trial.target(SHAPE)];
    trial.run('mapAffine', [x, out, MAPS, SIDES, trial.floats(MAPS), trial.floats(MAPS), 0.25]);
    trial.stackAt(out);
  },
  mapAffineBackward(trial) {
    const [x, dy, dx] = [trial.stack(SHAPE, BORDER), trial.stack(SHAPE), trial.target(SHAPE)];
    const [coefficient, gradient] = [trial.positives(MAPS), trial.floats(2 * MAPS)];
    trial.run('mapAffineBackward', [x, dy, dx, MAPS, SIDES, coefficient, gradient, 0.25]);
    trial.stackAt(dx);
    trial.floatsAt(gradient, 2 * MAPS);
    trial.run('mapAffineBackward', [x, dy, stackAt(0, SHAPE), MAPS, SIDES, coefficient, gradient, 0.25]);
    trial.floatsAt(gradient, 2 * MAPS);
  },
};

function positions(): number {
  return MAPS * SHAPE.height * SHAPE.width;
}
