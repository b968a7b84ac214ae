import { ModelError } from '../../util/errors.ts';
import { ANY, INT32 } from '../formats/graph.ts';
import { ANY_COUNT } from '../formats/onnx.ts';
import { shapeSize } from '../shape.ts';
import { crossEntropy, rightGuesses, rowSums } from './class-graph.ts';
import type { Head, HeadSpec } from './head.ts';
import { MAX_DIFFERENCE, outputsOf } from './outputs.ts';

/**
 * Classes by squared distance to fixed targets of -1 and +1; the lowest wins. LeCun's MAP loss:
 * E = y_D + log(e^-j + sum_i e^-y_i). Predicted probabilities are softmax(-y).
 */
export interface RbfHeadSpec extends HeadSpec {
  readonly kind: 'rbf';
  /** [classes][units of the last layer], each -1 or +1. */
  readonly targets: readonly (readonly number[])[];
  readonly j: number;
}

export const rbf = {
  kind: 'rbf',
  text: 'radial basis functions',
  targetKind: 'class',
  hasAccuracy: true,
  maxLoss: () => MAX_DIFFERENCE,
  isDistance: true,
  // With scores -y_i and -j, cross-entropy is LeCun's loss.
  rejection: ({ j }) => -j,
  targets: ({ targets }) => targets,

  fields: (zod) => ({
    targets: zod
      .array(zod.array(zod.union([zod.literal(1), zod.literal(-1)])).min(1))
      .min(2)
      .describe('per class, the values of the last layer that mean it, each 1 or -1'),
    j: zod.number().min(0).max(1000).default(0.1).describe('the constant of the loss'),
  }),
  outputs({ targets }, last) {
    const inputs = outputsOf('rbf', last);
    if (targets.every(({ length }) => length === inputs)) return targets.length;
    throw new ModelError(`rbf: expected targets of ${inputs} values, one per output of the last layer.`);
  },
  emit(emit, { targets, j }, z, delta) {
    const { labels, predictions, loss } = emit.block;
    const [classes, units] = [targets.length, shapeSize(z.shape)];
    const bitmaps = emit.floats('targets', targets.flat());
    const distances = emit.scratch('distances', classes * z.plane);
    const results = [distances, delta.at, predictions, loss];
    emit.op('forward', 'rbfHead', z.at, bitmaps, labels, classes, units, j, ...results);
  },

  /** With scores -y_i and -j, cross-entropy is y_D + log(e^-j + sum e^-y_i). */
  tfjs(tf, { targets, j }, x, hot) {
    const [count = 0, units = 0] = x.shape;
    const bitmaps = tf.tensor(Float32Array.from(targets.flat()), [1, targets.length, units]);
    const scores = tf.neg(tf.sum(tf.square(tf.sub(tf.reshape(x, [count, 1, units]), bitmaps)), 2));
    const rejection = tf.tensor(new Float32Array(count).fill(-j), [count, 1]);
    const logarithms = tf.slice(tf.logSoftmax(tf.concat([scores, rejection], 1)), [0, 0], [count, targets.length]);
    return { scores, losses: tf.neg(tf.sum(tf.mul(logarithms, hot), 1)) };
  },
  onnxOutputs: ['probabilities', 'distances'],
  /**
   * y_i = sum_j (x_j - w_ij)^2. The differences are a convolution of pixels, each unit a map: OpenCV 4 can't subtract the targets
   * from several images at once.
   */
  onnx(graph, { targets }, x) {
    const [classes, units] = [targets.length, unitsOf(targets)];
    const length = units * classes;
    const maps = graph.integers('maps', [ANY_COUNT, units, 1, 1]);
    const ones = graph.floats('ones', [length, 1, 1, 1], new Float32Array(length).fill(1));
    const offsets = Float32Array.from({ length }, (_, i) => -(targets[i % classes]?.[Math.floor(i / classes)] ?? 0));
    const inputs = [graph.add('inputs', 'Reshape', [x, maps]), ones, graph.floats('offsets', [length], offsets)];
    const differences = graph.add('differences', 'Conv', inputs, { kernel_shape: [1, 1], group: units });
    const squares = graph.add('squares', 'Mul', [differences, differences]);
    const rows = graph.integers('rows', [ANY_COUNT, units, classes]);
    const summands = graph.add('summands', 'Reshape', [squares, rows]);
    const distances = graph.add('sums', 'ReduceSum', [summands, graph.integers('axis', [1])], { keepdims: 0 });
    graph.output('probabilities', 'Softmax', [graph.add('scores', 'Neg', [distances])], { axis: 1 });
    graph.output('distances', 'Identity', [distances]);
  },
  /**
   * softmax(-y) of the distances y_i = |x|^2 - 2 w_i x + |w_i|^2, in which |x|^2 is the same for every class and cancels: what
   * is left is a dense layer.
   */
  keras(keras, { targets }, x) {
    const [classes, units] = [targets.length, unitsOf(targets)];
    const kernel = Float32Array.from({ length: units * classes }, (_, i) => {
      const target = targets[i % classes] as readonly number[];
      return 2 * (target[Math.floor(i / classes)] as number);
    });
    const norms = Float32Array.from(targets, (target) => -target.reduce((sum, w) => sum + w * w, 0));
    return keras.add('probabilities', 'Dense', [x.name], { units: classes, activation: 'softmax', use_bias: true }, [
      { name: 'kernel', shape: [units, classes], values: kernel },
      { name: 'bias', shape: [classes], values: norms },
    ]);
  },
  graph(graph, { targets, j }, x, labels) {
    const [classes, units] = [targets.length, unitsOf(targets)];
    const axis = graph.constant('row/axis', Int32Array.of(1), []);
    const rows = graph.add('row/ExpandDims', [x, axis], [ANY, 1, units], { Tdim: INT32 });
    const bitmaps = graph.constant('bitmaps', Float32Array.from(targets.flat()), [classes, units]);
    const squares = graph.add('SquaredDifference', [rows, bitmaps], [ANY, classes, units]);
    const distances = rowSums(graph, 'distances', squares);
    const scores = graph.add('Neg', [distances], distances.shape);
    graph.add('Softmax', [scores], scores.shape);
    // Another column: the score of what is none of the classes.
    const paddings = graph.constant('rejection/paddings', Int32Array.of(0, 0, 0, 1), [2, 2]);
    const value = graph.constant('rejection/minus_j', Float32Array.of(-j), []);
    const all = graph.add('rejection/PadV2', [scores, paddings, value], [ANY, classes + 1], { Tpaddings: INT32 });
    return { losses: crossEntropy(graph, all, labels), right: rightGuesses(graph, scores, labels) };
  },
} satisfies Head<RbfHeadSpec>;

function unitsOf([target]: RbfHeadSpec['targets']): number {
  return target?.length ?? 0;
}
