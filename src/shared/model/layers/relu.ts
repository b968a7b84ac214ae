import { activation, type NoFields, noFields } from './activation.ts';
import type { LayerSpec } from './placed-layer.ts';

export interface ReluSpec extends LayerSpec {
  readonly kind: 'relu';
}

export const relu = activation<ReluSpec, NoFields>({
  kind: 'relu',
  text: 'ReLU',
  fields: noFields,
  code: 1,
  imports: { onnx: { Relu: () => ({}) }, kerasActivation: { relu: () => ({}) } },
  tfjs: (tf, x) => tf.relu(x),
  onnx: (graph, x) => graph.add('', 'Relu', [x]),
  keras: (keras, x) => keras.add('', 'Activation', [x], { activation: 'relu' }),
  graph: (graph, x) => graph.add('Relu', [x], x.shape),
});
