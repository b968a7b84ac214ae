import type { Tensor, TensorOperations } from '../../model/formats/tensorflow.ts';
import { headOf, kindOf } from '../../model/kinds.ts';
import { partsOf } from '../../model/layers/layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import type { HeadSpec } from '../../model/spec.ts';

/** Columns of the head's scores: the classes, and with the RBF head one for what is no digit. */
export function columnsOf(head: HeadSpec): number {
  return head.classes + (headOf(head).rejection === undefined ? 0 : 1);
}

/**
 * The model in the paper's form, layer by layer: an independent check of the kernel, which fuses convolution and subsampling.
 * @param images [count][height][width][1]
 * @param weights in the order of tfjsParameters
 * @returns scores [count][columnsOf(head)]: a sample's loss is -logSoftmax(scores) at its class, and the highest score of a
 * class is the prediction
 */
export function scoresOf(
  tf: TensorOperations,
  { layers, spec }: ModelLayout,
  images: Tensor,
  weights: readonly Tensor[],
): Tensor {
  let x = images;
  let next = 0;
  for (const layer of layers) {
    const kind = kindOf(layer.spec);
    const parameters = partsOf(layer, () => weights[next++] as Tensor);
    x = kind.tfjs(tf, layer, kind.takesVectors ? flat(tf, x) : x, parameters);
  }
  const rejection = headOf(spec.head).rejection?.(spec.head);
  if (rejection === undefined) return x;
  const [count = 0] = x.shape;
  return tf.concat([x, tf.tensor(new Float32Array(count).fill(rejection), [count, 1])], 1);
}

/** [count]. Both heads' losses: with scores -y_i and -j, LeCun's y_D + log(e^-j + sum e^-y_i) is the same. */
export function lossesOf(tf: TensorOperations, scores: Tensor, oneHot: Tensor): Tensor {
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(scores), oneHot), 1));
}

/** Map by map, as the dense layers' weights have it; tfjs keeps the maps last. */
function flat(tf: TensorOperations, x: Tensor): Tensor {
  const [count = 0, ...sides] = x.shape;
  if (sides.length === 1) return x;
  return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [count, sides.reduce((product, side) => product * side, 1)]);
}
