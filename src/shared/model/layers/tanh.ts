import { activation, type NoFields, noFields } from './activation.ts';
import type { LayerSpec } from './placed-layer.ts';

export interface TanhSpec extends LayerSpec {
  readonly kind: 'tanh';
}

export const tanh = activation<TanhSpec, NoFields>({
  kind: 'tanh',
  text: 'tanh',
  fields: noFields,
  code: 3,
  imports: { onnx: { Tanh: () => ({}) }, kerasActivation: { tanh: () => ({}) } },
  tfjs: (tf, x) => tf.tanh(x),
  onnx: (graph, x) => graph.add('', 'Tanh', [x]),
  keras: (keras, x) => keras.add('', 'Activation', [x], { activation: 'tanh' }),
  graph: (graph, x) => graph.add('Tanh', [x], x.shape),
});
