import { LANES, POSITION } from '../../model/layers/emit.ts';
import type { RecordExtents } from './record-extents.ts';

/** The last activation of src/kernel/activations.ts. */
const MAX_ACTIVATION = 5;
/** Bytes that batch norm keeps of a map, and group norm of a group (src/kernel/norm). */
const SAVED_OF_MAP = 12;
const SAVED_OF_GROUP = 2 * POSITION;
/** u32 [LANES][2], u32 [2]. */
const POSITIONS_BYTES = 8 * LANES;
const KEY_BYTES = 8;

/** Operations on each map by itself: src/kernel/pool, activations.ts, norm, dropout.ts and elementwise.ts. */
export const STACK_EXTENTS = {
  maxPool(r: RecordExtents) {
    const { maps, input, output } = windows(r, 7);
    r.readsStack('x', 1, maps, input);
    r.writesStack('out', 4, maps, output);
  },
  averagePool(r: RecordExtents) {
    const { maps, input, output } = windows(r, 7);
    r.readsStack('x', 1, maps, input);
    r.writesStack('out', 4, maps, output);
  },
  maxPoolBackward(r: RecordExtents) {
    const { maps, input, output } = windows(r, 10);
    r.readsStack('x', 1, maps, input);
    r.readsStack('dy', 4, maps, output);
    r.writesStack('dx', 7, maps, input);
  },
  averagePoolBackward(r: RecordExtents) {
    const { maps, input, output } = windows(r, 7);
    r.readsStack('dy', 1, maps, output);
    r.writesStack('dx', 4, maps, input);
  },

  activate(r: RecordExtents) {
    stacks(r, ['x', 'out']);
    r.count('activation', 9, 0, MAX_ACTIVATION);
  },
  activateBackward(r: RecordExtents) {
    stacks(r, ['y', 'dy', 'dx']);
    r.count('activation', 12, 0, MAX_ACTIVATION);
  },
  batchNorm(r: RecordExtents) {
    const maps = stacks(r, ['x', 'out']);
    r.weights('weight', 9, 4 * maps);
    r.weights('bias', 10, 4 * maps);
    r.writes('saved', 11, SAVED_OF_MAP * maps);
    // The mean decides whether both are written.
    if (!r.has(12)) return;
    r.gradient('running mean', 12, 4 * maps);
    r.gradient('running variance', 13, 4 * maps);
  },
  batchNormInference(r: RecordExtents) {
    const maps = stacks(r, ['x', 'out']);
    for (const [i, tensor] of ['weight', 'bias', 'mean', 'variance'].entries()) r.weights(tensor, 9 + i, 4 * maps);
  },
  batchNormBackward(r: RecordExtents) {
    const maps = stacks(r, ['x', 'dy', 'dx']);
    r.weights('weight', 12, 4 * maps);
    r.reads('saved', 13, SAVED_OF_MAP * maps);
    if (r.has(14)) r.gradient('gradient', 14, 2 * 4 * maps);
  },
  batchNormInferenceBackward(r: RecordExtents) {
    const maps = stacks(r, ['dy', 'dx']);
    r.weights('weight', 9, 4 * maps);
    r.weights('variance', 10, 4 * maps);
  },
  groupNorm(r: RecordExtents) {
    const maps = stacks(r, ['x', 'out']);
    const groups = groupsOf(r, 9, maps);
    r.weights('weight', 10, 4 * maps);
    r.weights('bias', 11, 4 * maps);
    r.writes('saved', 12, SAVED_OF_GROUP * groups);
  },
  groupNormBackward(r: RecordExtents) {
    const maps = stacks(r, ['x', 'dy', 'dx']);
    const groups = groupsOf(r, 12, maps);
    r.weights('weight', 13, 4 * maps);
    r.reads('saved', 14, SAVED_OF_GROUP * groups);
    if (r.has(15)) r.gradient('gradient', 15, 2 * 4 * maps);
  },
  dropout(r: RecordExtents) {
    const maps = stacks(r, ['x', 'out']);
    const [height, width] = r.sides('size', 8);
    r.count('place', 9, 0);
    r.writes('mask', 12, maps * height * width, 1);
    r.reads('positions', 13, POSITIONS_BYTES);
    r.reads('key', 14, KEY_BYTES);
  },
  dropoutBackward(r: RecordExtents) {
    const maps = stacks(r, ['dy', 'dx']);
    const [height, width] = r.sides('size', 8);
    r.reads('mask', 10, maps * height * width, 1);
  },
  addMaps: (r: RecordExtents) => void stacks(r, ['a', 'b', 'out']),
  copyMaps: (r: RecordExtents) => void stacks(r, ['x', 'out']),
  affine: (r: RecordExtents) => void stacks(r, ['x', 'out']),
  mapAffine(r: RecordExtents) {
    const maps = stacks(r, ['x', 'out']);
    r.weights('coefficient', 9, 4 * maps);
    r.weights('bias', 10, 4 * maps);
  },
  mapAffineBackward(r: RecordExtents) {
    const isWanted = r.pointer(7) !== 0;
    const maps = stacks(r, isWanted ? ['x', 'dy', 'dx'] : ['x', 'dy', undefined]);
    r.weights('coefficient', 12, 4 * maps);
    if (r.has(13)) r.gradient('gradient', 13, 2 * 4 * maps);
  },
} as const;

/**
 * Stacks one behind the other from the first argument on, of which the last is written, and behind them their maps and sides.
 * @param names undefined for one that isn't wanted
 * @returns the maps
 */
function stacks(r: RecordExtents, names: readonly (string | undefined)[]): number {
  const k = 1 + 3 * names.length;
  const [maps, sides] = [r.count('maps', k), r.sides('size', k + 1)];
  for (const [i, name] of names.entries()) {
    if (name === undefined) continue;
    if (i === names.length - 1) r.writesStack(name, 1 + 3 * i, maps, sides);
    else r.readsStack(name, 1 + 3 * i, maps, sides);
  }
  return maps;
}

function groupsOf(r: RecordExtents, k: number, maps: number): number {
  const groups = r.count('groups', k);
  if (maps % groups !== 0) r.fail('groups', `are ${groups}, which don't divide ${maps} maps.`);
  return groups;
}

/** Maps, sizes and windows of a pool. Each window has a position of the input. */
function windows(r: RecordExtents, k: number) {
  const [maps, input, output] = [r.count('maps', k), r.sides('input size', k + 1), r.sides('output size', k + 2)];
  const [size, stride, padding] = [r.sides('window', k + 3), r.sides('stride', k + 4), r.sides('padding', k + 5, 0)];
  for (const axis of [0, 1] as const) {
    // The first and the last one have, and so have those between them.
    const last = (output[axis] - 1) * stride[axis] - padding[axis];
    if (padding[axis] >= size[axis] || last >= input[axis]) r.fail('window', 'lies in the padding alone.');
  }
  return { maps, input, output };
}
