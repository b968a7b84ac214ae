import { LANES, POSITION } from '../../model/layers/emit.ts';
import type { RecordExtents } from './record-extents.ts';

/** Bytes that `place` in src/kernel/input.ts moves at a time. */
const REGISTER = 16;
/** Bytes from an output's first column of box sums to the next one's, and rows of them. */
const STEP = 2;

/** Image, box sums and folded subsampling: src/kernel/input.ts, src/kernel/subsample.ts and src/kernel/conv. */
export const LENET_EXTENTS = {
  decodeBoxSums(r: RecordExtents) {
    const [width, height] = [r.count('width', 3, REGISTER), r.count('height', 4)];
    const [padding, stride, side] = [r.count('padding', 5, 0), r.count('stride', 6, REGISTER), r.count('side', 7, 2)];
    if (stride % REGISTER !== 0) r.fail('stride', `is ${stride}, which is no multiple of ${REGISTER}.`);
    // Shifted by as much as the padding, an image stays in its plane.
    if (Math.max(side, width + 2 * padding) > stride) r.fail('stride', `is ${stride}, less than a padded row.`);
    if (height + 2 * padding > side) r.fail('side', `is ${side}, less than the padded height.`);
    r.ofBlock('indices', 1);
    r.ofBlock('shifts', 2);
    r.takesSamples({ inputBytes: width * height, maxShift: padding });
    r.writes('scratch', 8, LANES * ((side + 1) * stride + 2 * side * stride));
    r.writes('out', 9, (side - 1) * stride * POSITION);
  },
  boxSum(r: RecordExtents) {
    const [maps, height, width] = [r.count('maps', 2), r.count('height', 3, 2), r.count('width', 4, 2)];
    r.reads('x', 1, maps * height * width * POSITION);
    r.writes('out', 5, maps * (height - 1) * (width - 1) * POSITION);
  },
  boxSumBackward(r: RecordExtents) {
    const [maps, height, width] = [r.count('maps', 3), r.count('height', 4), r.count('width', 5)];
    const bytes = maps * height * width * POSITION;
    r.reads('d', 1, maps * (height + 1) * (width + 1) * POSITION);
    r.reads('x', 2, bytes);
    r.writes('out', 6, bytes);
  },
  foldSubsample(r: RecordExtents) {
    const [taps, maps] = [r.count('taps', 6), r.count('maps', 7)];
    const bytes = 4 * taps * startsOf(r, 5, maps);
    r.weights('weight', 1, bytes);
    r.weights('bias', 2, 4 * maps);
    r.weights('coefficient', 3, 4 * maps);
    r.weights('subsample bias', 4, 4 * maps);
    r.writes('folded', 8, bytes);
    r.writes('folded bias', 9, 4 * maps);
  },
  unfoldGradient(r: RecordExtents) {
    const [taps, maps] = [r.count('taps', 5), r.count('maps', 6)];
    const bytes = 4 * taps * startsOf(r, 4, maps);
    r.weights('weight', 1, bytes);
    r.weights('bias', 2, 4 * maps);
    r.weights('coefficient', 3, 4 * maps);
    r.reads('folded gradient', 7, bytes);
    r.reads('folded bias gradient', 8, 4 * maps);
    r.gradient('weight gradient', 9, bytes);
    r.gradient('bias gradient', 10, 4 * maps);
    r.gradient('coefficient gradient', 11, 4 * maps);
    r.gradient('subsample bias gradient', 12, 4 * maps);
  },
  subsampledConv(r: RecordExtents) {
    const { size, maps, height, width, kernels } = readsBoxSums(r, 8);
    r.reads('folded', 6, 4 * kernels * size * size);
    r.reads('folded bias', 7, 4 * maps);
    r.writes('out', 12, maps * height * width * POSITION);
  },
  subsampledConvWeightGradient(r: RecordExtents) {
    const { size, maps, height, width, kernels } = readsBoxSums(r, 7);
    r.reads('d', 6, maps * height * width * POSITION);
    r.writes('folded gradient', 11, 4 * kernels * size * size);
    r.writes('folded bias gradient', 12, 4 * maps);
  },
  subsampledConvInputGradient(r: RecordExtents) {
    const [size, maps, height, width] = sizesOf(r, 5);
    const feeds = r.table('feeds', 3, 2 * startsOf(r, 4, maps));
    r.readsAround('d', 1, r.offsetsOf('feeds', feeds, 1, 2), height * width * POSITION);
    r.readsAround('folded', 2, r.offsetsOf('feeds', feeds, 0, 2), 4 * size * size);
    const area = { size, height, width, plane: r.pointer(10), row: r.pointer(11) };
    r.writes('out', 9, boxSumBytes(r, 'out', maps, area));
  },
} as const;

/** Of maps by their places: where each one's kernels begin, and where the last one's end. @returns the kernels of all */
function startsOf(r: RecordExtents, k: number, maps: number): number {
  const starts = r.table('starts', k, maps + 1);
  if (starts[0] !== 0) r.fail('starts', `begin with ${starts[0]}.`);
  for (let i = 1; i <= maps; i++)
    if ((starts[i] as number) < (starts[i - 1] as number))
      r.fail('starts', `have ${starts[i]} behind ${starts[i - 1]}.`);
  return starts[maps] as number;
}

/** Rows and columns of a kernel, maps, and rows and columns of a map. */
function sizesOf(r: RecordExtents, k: number): [size: number, maps: number, height: number, width: number] {
  return [r.count('size', k), r.count('maps', k + 1), r.count('height', k + 2), r.count('width', k + 3)];
}

interface BoxSums {
  readonly size: number;
  readonly height: number;
  readonly width: number;
  readonly plane: number;
  readonly row: number;
}

/** What the kernels of all outputs reach of `maps` maps of box sums. */
function boxSumBytes(
  r: RecordExtents,
  argument: string,
  maps: number,
  { size, height, width, plane, row }: BoxSums,
): number {
  const [rows, columns] = [STEP * (height - 1) + size, STEP * (width - 1) + size];
  return r.grid(argument, columns * POSITION, [rows, row], [maps, plane]);
}

/** The first arguments of a convolution over box sums, and its sizes, which start at `k`. */
function readsBoxSums(r: RecordExtents, k: number) {
  const [size, maps, height, width] = sizesOf(r, k);
  const kernels = startsOf(r, 4, maps);
  const inputs = r.table('inputs', 5, kernels);
  let last = 0;
  for (const input of inputs) {
    if (input < 0) r.fail('inputs', `have ${input}.`);
    if (input > last) last = input;
  }
  const area = { size, height, width, plane: r.pointer(2), row: r.pointer(3) };
  r.reads('x', 1, boxSumBytes(r, 'x', last + 1, area));
  return { size, maps, height, width, kernels };
}
