import type { LayerLayout, ModelLayout } from '../../model/layout.ts';
import { type Activation, type HeadSpec, type RbfHeadSpec, TANH_AMPLITUDE, TANH_SLOPE } from '../../model/spec.ts';
import type { Tensor, Tfjs } from './api.ts';

/** Columns of the head's scores: the classes, and with the RBF head one for what is no digit. */
export function columnsOf(head: HeadSpec): number {
  return head.kind === 'rbf' ? head.classes + 1 : head.classes;
}

/**
 * The model in the paper's form, layer by layer: an independent check of the kernel, which fuses convolution and subsampling.
 * @param images [count][height][width][1]
 * @param weights in the order of tfjsParameters
 * @returns scores [count][columnsOf(head)]: a sample's loss is -logSoftmax(scores) at its class, and the highest score of a
 * class is the prediction
 */
export function scoresOf(tf: Tfjs, layout: ModelLayout, images: Tensor, weights: readonly Tensor[]): Tensor {
  let x = images;
  let next = 0;
  for (const layer of layout.layers) {
    x = forward(tf, layer, x, weights.slice(next, next + layer.tensors.length));
    next += layer.tensors.length;
  }
  return x;
}

/** [count]. Both heads' losses: with scores -y_i and -j, LeCun's y_D + log(e^-j + sum e^-y_i) is the same. */
export function lossesOf(tf: Tfjs, scores: Tensor, oneHot: Tensor): Tensor {
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(scores), oneHot), 1));
}

function forward(tf: Tfjs, { spec, input }: LayerLayout, x: Tensor, tensors: readonly Tensor[]): Tensor {
  const [weight, bias] = tensors as [Tensor, Tensor];
  switch (spec.kind) {
    case 'conv':
      return tf.add(tf.conv2d(x, weight, 1, 'valid'), bias);
    case 'subsample': {
      // A quarter of the sum, exactly.
      const sums = tf.mul(tf.avgPool(x, 2, 2, 'valid'), 4);
      return tf.relu(tf.add(tf.mul(sums, weight), bias));
    }
    case 'dense':
      return activate(tf, spec.activation, tf.add(tf.matMul(flat(tf, x), weight, false, true), bias));
    case 'softmax':
      return tf.add(tf.matMul(flat(tf, x), weight, false, true), bias);
    case 'rbf':
      return rbfScores(tf, spec, flat(tf, x), input.maps);
  }
}

/** Map by map, as the dense layers' weights have it; tfjs keeps the maps last. */
function flat(tf: Tfjs, x: Tensor): Tensor {
  const [count = 0, ...sides] = x.shape;
  if (sides.length === 1) return x;
  return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [count, sides.reduce((product, side) => product * side, 1)]);
}

function activate(tf: Tfjs, activation: Activation, sums: Tensor): Tensor {
  return activation === 'relu' ? tf.relu(sums) : tf.mul(tf.tanh(tf.mul(sums, TANH_SLOPE)), TANH_AMPLITUDE);
}

function rbfScores(tf: Tfjs, { targets, classes, j }: RbfHeadSpec, x: Tensor, units: number): Tensor {
  const [count = 0] = x.shape;
  const bitmaps = tf.tensor(Float32Array.from(targets.flat()), [1, classes, units]);
  const distances = tf.sum(tf.square(tf.sub(tf.reshape(x, [count, 1, units]), bitmaps)), 2);
  return tf.concat([tf.neg(distances), tf.tensor(new Float32Array(count).fill(-j), [count, 1])], 1);
}
