import { activation, type NoFields, noFields } from './activation.ts';
import type { LayerSpec } from './placed-layer.ts';

export interface SigmoidSpec extends LayerSpec {
  readonly kind: 'sigmoid';
}

export const sigmoid = activation<SigmoidSpec, NoFields>({
  kind: 'sigmoid',
  text: 'sigmoid',
  fields: noFields,
  code: 4,
  imports: { onnx: { Sigmoid: () => ({}) }, kerasActivation: { sigmoid: () => ({}) } },
  tfjs: (tf, x) => tf.sigmoid(x),
  onnx: (graph, x) => graph.add('', 'Sigmoid', [x]),
  keras: (keras, x) => keras.add('', 'Activation', [x], { activation: 'sigmoid' }),
  graph: (graph, x) => graph.add('Sigmoid', [x], x.shape),
});
