import { denseSums, kerasDense, onnxSums } from '../layers/dense.ts';
import type { ClassesSpec, Head } from './head.ts';

/** Classes by softmax over a dense layer, with cross-entropy loss. */
export interface SoftmaxHeadSpec extends ClassesSpec {
  readonly kind: 'softmax';
}

export const softmax: Head<SoftmaxHeadSpec, 'weight' | 'bias'> = {
  ...denseSums,
  kind: 'softmax',
  text: 'softmax',
  isDistance: false,
  shape: ({ classes }) => ({ maps: classes, height: 1, width: 1 }),
  onnx: (graph, layer, x, weights) => onnxSums(graph, layer, x, weights, 'logits'),
  keras: (layer, weights) => [kerasDense(layer, weights, 'softmax')],
};
