/**
 * The kernel's operations by name: the number that `run` (src/kernel/run.ts) knows each by, and the kinds of its arguments.
 * A record of a program is 64 bytes: the number, then 15 words of arguments, unused ones 0. What each operation computes and
 * what its arguments mean is said at its function in src/kernel.
 *
 * | kind | argument | words |
 * | --- | --- | --- |
 * | p | pointer into the memory | 1 |
 * | w, g | byte offset into the weights, the gradient; -1: none | 1 |
 * | i | integer | 1 |
 * | f | float32, its bits | 1 |
 * | m | map stack: pointer, bytes of a row, bytes of a plane | 3 |
 * | s | two numbers below 65,536: rows << 16 \| columns | 1 |
 */
export interface Operation {
  readonly number: number;
  /** A letter of the table above for each. */
  readonly arguments: string;
}

export const RECORD_WORDS = 16;

/** Words of an argument. */
export function wordsOf(kind: string): number {
  return kind === 'm' ? 3 : 1;
}

export const OPERATIONS = {
  /** indices, shifts, width, height, padding, stride, side, scratch, out */
  decodeBoxSums: { number: 1, arguments: 'ppiiiiipp' },
  /** x, maps, height, width, out */
  boxSum: { number: 2, arguments: 'piiip' },
  /** d, x, maps, height, width, out */
  boxSumBackward: { number: 3, arguments: 'ppiiip' },
  /** weight, bias, coefficient, subsample bias, starts, taps, maps, folded, folded bias */
  foldSubsample: { number: 4, arguments: 'wwwwpiipp' },
  /** x, plane, row, starts, inputs, folded, folded bias, size, maps, height, width, out */
  subsampledConv: { number: 5, arguments: 'piippppiiiip' },
  /** x, plane, row, starts, inputs, d, size, maps, height, width, folded gradient, folded bias gradient */
  subsampledConvWeightGradient: { number: 6, arguments: 'piipppiiiipp' },
  /** weight, bias, coefficient, starts, taps, maps, folded gradients (2), gradients: weight, bias, coefficient, its bias */
  unfoldGradient: { number: 7, arguments: 'wwwpiippgggg' },
  /** d, folded, feeds, feed starts, size, input maps, height, width, out, plane, row */
  subsampledConvInputGradient: { number: 8, arguments: 'ppppiiiipii' },
  /** target, bytes */
  clear: { number: 9, arguments: 'pi' },
  /** weight, bias, x, inputs, outputs, activation, out */
  denseForward: { number: 10, arguments: 'wwpiiip' },
  /** weight, d, x, inputs, outputs, activation, out */
  denseInputGradient: { number: 11, arguments: 'wppiiip' },
  /** x, features, out, bytes of a kept block */
  transpose: { number: 12, arguments: 'pipi' },
  /**
   * d, x, samples of a shard in whole blocks, inputs, outputs, weight, bias, stack, bytes from a block of d and of x to the
   * next; `count` is the shards
   */
  denseWeightGradient: { number: 13, arguments: 'ppiiiggpii' },
  /** z, labels, classes, d, predictions, loss */
  softmaxHead: { number: 14, arguments: 'ppippp' },
  /** x, targets, labels, classes, units, j, y, d, predictions, loss */
  rbfHead: { number: 15, arguments: 'pppiifpppp' },
  /** d, x, units, activation, out */
  activationBackward: { number: 16, arguments: 'ppiip' },
  /** out, indices, shifts, maps, size */
  decodeBytes: { number: 17, arguments: 'mppis' },
  /** out, indices, shifts, maps, size */
  decodeFloats: { number: 18, arguments: 'mppis' },
  /** base, maps, taps, bytes from map to map, byte offsets of the taps, out */
  packWeights: { number: 19, arguments: 'wiiipp' },
  /** x, row, step, offsets, taps, packed, bias, maps, height, width, out, its row, step and plane, flush (0 or 1) */
  conv: { number: 20, arguments: 'piipipwiiipiiii' },
  /** x, row, step, offsets, taps, d, its row and plane, maps, height, width, weight */
  convWeightGradient: { number: 21, arguments: 'piipipiiiiig' },
  /** d, maps, size, bias */
  biasGradient: { number: 22, arguments: 'misg' },
  /** x, out, maps, input size, output size, window, stride, padding (top, left) */
  maxPool: { number: 23, arguments: 'mmisssss' },
  /** x, dy, dx, then as maxPool */
  maxPoolBackward: { number: 24, arguments: 'mmmisssss' },
  /** As maxPool. */
  averagePool: { number: 25, arguments: 'mmisssss' },
  /** dy, dx, then as maxPool */
  averagePoolBackward: { number: 26, arguments: 'mmisssss' },
  /** x, out, maps, size, activation, slope */
  activate: { number: 27, arguments: 'mmisif' },
  /** y, dy, dx, maps, size, activation, slope */
  activateBackward: { number: 28, arguments: 'mmmisif' },
  /** x, out, maps, size, weight, bias, saved, running mean, running variance, epsilon */
  batchNorm: { number: 29, arguments: 'mmiswwpggf' },
  /** x, out, maps, size, weight, bias, mean, variance, epsilon */
  batchNormInference: { number: 30, arguments: 'mmiswwwwf' },
  /** x, dy, dx, maps, size, weight, saved, weight and then bias */
  batchNormBackward: { number: 31, arguments: 'mmmiswpg' },
  /** x, out, maps, size, groups, weight, bias, saved, epsilon */
  groupNorm: { number: 32, arguments: 'mmisiwwpf' },
  /** x, dy, dx, maps, size, groups, weight, saved, weight and then bias */
  groupNormBackward: { number: 33, arguments: 'mmmisiwpg' },
  /** x, out, maps, size, place, threshold, scale, mask, positions, key */
  dropout: { number: 34, arguments: 'mmisiifppp' },
  /** dy, dx, maps, size, scale, mask */
  dropoutBackward: { number: 35, arguments: 'mmisfp' },
  /** a, b, out, maps, size */
  addMaps: { number: 36, arguments: 'mmmis' },
  /** x, out, maps, size */
  copyMaps: { number: 37, arguments: 'mmis' },
  /** x, out, maps, size, scale, offset */
  affine: { number: 38, arguments: 'mmisff' },
  /** x, out, maps, size, coefficient, bias, factor */
  mapAffine: { number: 39, arguments: 'mmiswwf' },
  /** x, dy, dx, maps, size, coefficient, coefficient and then bias, factor */
  mapAffineBackward: { number: 40, arguments: 'mmmiswgf' },
  /** z, labels, classes, d, predictions, loss, smoothing, class weights */
  smoothedSoftmaxHead: { number: 41, arguments: 'ppipppfp' },
  /** z, outputs, d, predictions, loss, indices */
  sigmoidHead: { number: 42, arguments: 'pipppp' },
  /** z, outputs, d, loss, indices */
  mseHead: { number: 43, arguments: 'pippp' },
  /** dy, dx, maps, size, weight, variance, epsilon */
  batchNormInferenceBackward: { number: 44, arguments: 'mmiswwf' },
  /** As smoothedSoftmaxHead. */
  weightedSoftmaxHead: { number: 45, arguments: 'ppipppfp' },
} as const satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

/** A map stack as a record has it: a pointer, and the bytes from one row and one map to the next. */
export interface StackWords {
  readonly at: number;
  readonly row: number;
  readonly plane: number;
}

/** The words of a record. @param args by their kinds: a stack for m, a byte offset for w and g, else a number */
export function recordOf(name: OperationName, args: readonly (number | StackWords)[]): number[] {
  const { number, arguments: kinds }: Operation = OPERATIONS[name];
  if (args.length !== kinds.length) throw new Error(`${name} takes ${kinds.length} arguments, not ${args.length}.`);
  const words = args.flatMap((arg, i) => {
    const kind = kinds[i];
    if ((kind === 'm') !== (typeof arg === 'object')) throw new Error(`${name}: argument ${i + 1} is no ${kind}.`);
    if (typeof arg === 'object') return [arg.at, arg.row, arg.plane];
    return [kind === 'f' ? floatBits(arg) : arg];
  });
  return [number, ...words];
}

const FLOAT = new Float32Array(1);
const BITS = new Int32Array(FLOAT.buffer);

function floatBits(value: number): number {
  FLOAT[0] = value;
  return BITS[0] as number;
}
