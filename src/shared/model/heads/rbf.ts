import { ModelError } from '../../util/errors.ts';
import { ANY, INT32 } from '../formats/graph.ts';
import { shapeSize } from '../shape.ts';
import type { ClassesSpec, Head } from './head.ts';

/**
 * Classes by squared distance to fixed targets of -1 and +1; the lowest wins. LeCun's MAP loss:
 * E = y_D + log(e^-j + sum_i e^-y_i). Predicted probabilities are softmax(-y). No trainable parameters.
 */
export interface RbfHeadSpec extends ClassesSpec {
  readonly kind: 'rbf';
  /** [classes][units of the last layer], each -1 or +1. */
  readonly targets: readonly (readonly number[])[];
  readonly j: number;
}

export const rbf: Head<RbfHeadSpec, never> = {
  kind: 'rbf',
  text: 'radial basis functions',
  takesVectors: true,
  isDistance: true,
  // With scores -y_i and -j, cross-entropy is LeCun's loss.
  rejection: ({ j }) => -j,
  targets: ({ targets }) => targets,

  shape({ name, classes, targets }, input) {
    const inputs = shapeSize(input);
    if (targets.length === classes && targets.every(({ length }) => length === inputs))
      return { maps: classes, height: 1, width: 1 };
    throw new ModelError(`${name}: expected ${classes} targets of ${inputs} values, one per input.`);
  },
  tensors: () => [],
  connections: ({ spec, input }) => spec.classes * shapeSize(input),
  macs: ({ connections }) => ({ forward: connections, input: connections, weight: 0 }),

  tfjs(tf, { spec, input }, x) {
    const [[count = 0], units] = [x.shape, shapeSize(input)];
    const bitmaps = tf.tensor(Float32Array.from(spec.targets.flat()), [1, spec.classes, units]);
    return tf.neg(tf.sum(tf.square(tf.sub(tf.reshape(x, [count, 1, units]), bitmaps)), 2));
  },
  /**
   * y_i = sum_j (x_j - w_ij)^2. The differences are a convolution of pixels, each unit a map: OpenCV 4 can't subtract the targets
   * from several images at once.
   */
  onnx(graph, { spec: { name, targets, classes }, input }, x) {
    const units = shapeSize(input);
    const length = units * classes;
    const maps = graph.integers(`${name}.maps`, [-1, units, 1, 1]);
    const ones = graph.floats(`${name}.ones`, [length, 1, 1, 1], new Float32Array(length).fill(1));
    const offsets = Float32Array.from({ length }, (_, i) => -(targets[i % classes]?.[Math.floor(i / classes)] ?? 0));
    const inputs = [graph.add(`${name}.inputs`, 'Reshape', [x, maps]), ones];
    inputs.push(graph.floats(`${name}.offsets`, [length], offsets));
    const differences = graph.add(`${name}.differences`, 'Conv', inputs, { kernel_shape: [1, 1], group: units });
    const squares = graph.add(`${name}.squares`, 'Mul', [differences, differences]);
    const rows = graph.integers(`${name}.rows`, [-1, units, classes]);
    const summands = graph.add(`${name}.summands`, 'Reshape', [squares, rows]);
    return graph.add('distances', 'ReduceSum', [summands, graph.integers(`${name}.axis`, [1])], { keepdims: 0 });
  },
  /**
   * softmax(-y) of the distances y_i = |x|^2 - 2 w_i x + |w_i|^2, in which |x|^2 is the same for every class and cancels: what
   * is left is a dense layer.
   */
  keras({ spec: { name, targets, classes }, input }) {
    const units = shapeSize(input);
    const kernel = Float32Array.from({ length: units * classes }, (_, i) => {
      const target = targets[i % classes] as readonly number[];
      return 2 * (target[Math.floor(i / classes)] as number);
    });
    const norms = Float32Array.from(targets, (target) => -target.reduce((sum, w) => sum + w * w, 0));
    const weights = [
      { name: `${name}/kernel`, shape: [units, classes], values: kernel },
      { name: `${name}/bias`, shape: [classes], values: norms },
    ];
    return [{ className: 'Dense', config: { name, units: classes, activation: 'softmax', use_bias: true }, weights }];
  },
  /** Scores -y, where y_i is the squared distance to target i. */
  graph(graph, { spec: { targets, classes }, input }, x) {
    const units = shapeSize(input);
    const axis = graph.constant('row/axis', Int32Array.of(1), []);
    const rows = graph.add('row/ExpandDims', [x, axis], [ANY, 1, units], { Tdim: INT32 });
    const bitmaps = graph.constant('bitmaps', Float32Array.from(targets.flat()), [classes, units]);
    const squares = graph.add('SquaredDifference', [rows, bitmaps], [ANY, classes, units]);
    const last = graph.constant('Sum/axis', Int32Array.of(2), []);
    const distances = graph.add('Sum', [squares, last], [ANY, classes], { Tidx: INT32, keep_dims: false });
    return graph.add('Neg', [distances], distances.shape);
  },
};
