import { LANES, POSITION } from '../../model/layers/emit.ts';
import type { OperationName } from '../operations.ts';
import { LENET_EXTENTS } from './lenet-extents.ts';
import type { Offsets, RecordExtents } from './record-extents.ts';
import { STACK_EXTENTS } from './stack-extents.ts';

/** Output maps whose weights lie side by side (src/kernel/convolution/forward.ts). */
const PACKED_MAPS = 2;
/** Features of a panel of transposed values, and its bytes (src/kernel/dense/weight-gradient.ts). */
const PANEL = 16;
const PANEL_BYTES = 4 * PANEL * LANES;
/** Bytes of a pending sum there. */
const STACK_LEVEL = 128;
/** The last activation of src/kernel/dense/activation.ts. */
const MAX_DENSE_ACTIVATION = 2;
/** i32 [LANES], f64. */
const LANES_BYTES = 4 * LANES;
const LOSS_BYTES = 8;

/** Checks what an operation's arguments say that it reads and writes, and that it ends. */
export type Extents = (r: RecordExtents) => void;

/** What each operation reaches, by its functions in src/kernel. */
export const EXTENTS: Readonly<Record<OperationName, Extents>> = {
  ...LENET_EXTENTS,
  ...STACK_EXTENTS,
  clear: (r) => r.writes('target', 1, r.pointer(2)),

  denseForward(r) {
    const [inputs, outputs] = [r.count('inputs', 4), r.count('outputs', 5)];
    r.count('activation', 6, 0, MAX_DENSE_ACTIVATION);
    r.weights('weight', 1, 4 * inputs * outputs);
    if (r.has(2)) r.weights('bias', 2, 4 * outputs);
    r.reads('x', 3, inputs * POSITION);
    r.writes('out', 7, outputs * POSITION);
  },
  denseInputGradient(r) {
    const [inputs, outputs] = [r.count('inputs', 4), r.count('outputs', 5)];
    r.count('activation', 6, 0, MAX_DENSE_ACTIVATION);
    r.weights('weight', 1, 4 * inputs * outputs);
    r.reads('d', 2, outputs * POSITION);
    r.reads('x', 3, inputs * POSITION);
    r.writes('out', 7, inputs * POSITION);
  },
  transpose(r) {
    const { shards, shardBlocks } = r.bounds;
    const features = r.count('features', 2);
    r.reads('x', 1, features * POSITION);
    r.writes('out', 3, r.grid('out', panelBytes(features), [shards * shardBlocks, r.pointer(4)]));
  },
  denseWeightGradient(r) {
    const { list, shards, shardBlocks } = r.bounds;
    // Elsewhere `count` isn't the shards.
    if (list !== 'shards') r.fail('operation', 'belongs into the list shards.');
    r.count('samples', 3, LANES * shardBlocks, LANES * shardBlocks);
    const [inputs, outputs, kept] = [r.count('inputs', 4), r.count('outputs', 5), shards * shardBlocks];
    r.reads('d', 1, r.grid('d', panelBytes(outputs), [kept, r.pointer(9)]));
    r.reads('x', 2, r.grid('x', panelBytes(inputs), [kept, r.pointer(10)]));
    r.gradient('weight', 6, 4 * inputs * outputs);
    if (r.has(7)) r.gradient('bias', 7, 4 * outputs);
    r.writes('stack', 8, STACK_LEVEL * (Math.floor(Math.log2(shards)) + 1));
  },
  activationBackward(r) {
    const bytes = r.count('units', 3) * POSITION;
    r.count('activation', 4, 0, MAX_DENSE_ACTIVATION);
    r.reads('d', 1, bytes);
    r.reads('x', 2, bytes);
    r.writes('out', 5, bytes);
  },

  softmaxHead: (r) => softmax(r),
  smoothedSoftmaxHead(r) {
    const classes = softmax(r);
    if (r.pointer(8) === 0) return;
    r.reads('class weights', 8, 4 * classes);
    // They are read by label.
    r.takesSamples({ classes });
  },
  weightedSoftmaxHead: (r) => r.reads('class weights', 8, 4 * softmax(r)),
  rbfHead(r) {
    const [classes, units] = [r.count('classes', 4), r.count('units', 5)];
    r.ofBlock('labels', 3);
    r.reads('x', 1, units * POSITION);
    r.reads('targets', 2, 4 * classes * units);
    r.writes('y', 7, classes * POSITION);
    r.writes('d', 8, units * POSITION);
    r.writes('predictions', 9, LANES_BYTES);
    r.writes('loss', 10, LOSS_BYTES);
  },
  sigmoidHead(r) {
    numbers(r, r.count('outputs', 2), 6);
    r.writes('d', 3, r.int(2) * POSITION);
    r.writes('predictions', 4, LANES_BYTES);
    r.writes('loss', 5, LOSS_BYTES);
  },
  mseHead(r) {
    numbers(r, r.count('outputs', 2), 5);
    r.writes('d', 3, r.int(2) * POSITION);
    r.writes('loss', 4, LOSS_BYTES);
  },

  decodeBytes: (r) => decode(r, 1),
  decodeFloats: (r) => decode(r, 4),

  packWeights(r) {
    const [maps, taps] = [r.count('maps', 2), r.count('taps', 3, 0)];
    const offsets = r.offsets('offsets', 5, taps);
    const bytes = r.grid('base', 4, [maps, r.pointer(4)]);
    if (taps > 0) r.weightsAround('base', 1, offsets, bytes);
    r.writes('out', 6, packedBytes(maps, taps));
  },
  conv(r) {
    const [taps, maps] = [r.count('taps', 5, 0), r.count('maps', 8)];
    const sides = [r.count('height', 9), r.count('width', 10)] as const;
    const offsets = r.offsets('offsets', 4, taps);
    if (taps > 0) readsTaps(r, offsets, sides);
    r.reads('packed', 6, packedBytes(maps, taps));
    if (r.has(7)) r.weights('bias', 7, 4 * maps);
    const [height, width] = sides;
    const levels = [[width, r.pointer(13)] as const, [height, r.pointer(12)] as const, [maps, r.pointer(14)] as const];
    r.writes('out', 11, r.grid('out', POSITION, ...levels));
    r.count('flush', 15, 0, 1);
  },
  convWeightGradient(r) {
    const [taps, maps] = [r.count('taps', 5), r.count('maps', 9)];
    const [height, width] = [r.count('height', 10), r.count('width', 11)];
    readsTaps(r, r.offsets('offsets', 4, taps), [height, width]);
    const levels = [[width, POSITION] as const, [height, r.pointer(7)] as const, [maps, r.pointer(8)] as const];
    r.reads('d', 6, r.grid('d', POSITION, ...levels));
    r.gradient('weight', 12, 4 * maps * taps);
  },
  biasGradient(r) {
    const maps = r.count('maps', 4);
    r.readsStack('d', 1, maps, r.sides('size', 5));
    r.gradient('bias', 6, 4 * maps);
  },
};

function panelBytes(features: number): number {
  return PANEL_BYTES * Math.ceil(features / PANEL);
}

function packedBytes(maps: number, taps: number): number {
  return 4 * PACKED_MAPS * Math.ceil(maps / PACKED_MAPS) * taps;
}

/** What the taps of a convolution read. */
function readsTaps(r: RecordExtents, offsets: Offsets, [height, width]: readonly [number, number]): void {
  r.readsAround('x', 1, offsets, r.grid('x', POSITION, [width, r.pointer(3)], [height, r.pointer(2)]));
}

/** @returns the classes */
function softmax(r: RecordExtents): number {
  const classes = r.count('classes', 3);
  r.ofBlock('labels', 2);
  r.reads('z', 1, classes * POSITION);
  r.writes('d', 4, classes * POSITION);
  r.writes('predictions', 5, LANES_BYTES);
  r.writes('loss', 6, LOSS_BYTES);
  return classes;
}

/** What heads over float32 targets read. */
function numbers(r: RecordExtents, outputs: number, indices: number): void {
  r.ofBlock('indices', indices);
  r.takesSamples({ targetBytes: 4 * outputs });
  r.reads('z', 1, outputs * POSITION);
}

/** Of samples whose values have so many bytes. */
function decode(r: RecordExtents, bytes: number): void {
  const [maps, sides] = [r.count('maps', 6), r.sides('size', 7)];
  r.ofBlock('indices', 4);
  r.ofBlock('shifts', 5);
  r.takesSamples({ inputBytes: bytes * maps * sides[0] * sides[1] });
  r.writesStack('out', 1, maps, sides);
}
