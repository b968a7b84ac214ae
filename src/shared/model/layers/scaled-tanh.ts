import { scaled } from '../formats/graph.ts';
import { activation, type NoFields, noFields, TANH_AMPLITUDE, TANH_SLOPE } from './activation.ts';
import type { LayerSpec } from './placed-layer.ts';

export interface ScaledTanhSpec extends LayerSpec {
  readonly kind: 'scaled-tanh';
}

/** LeCun et al. 1998, appendix A: 1.7159 tanh(2x / 3). */
export const scaledTanh = activation<ScaledTanhSpec, NoFields>({
  kind: 'scaled-tanh',
  text: 'scaled tanh',
  fields: noFields,
  code: 2,
  tfjs: (tf, x) => tf.mul(tf.tanh(tf.mul(x, TANH_SLOPE)), TANH_AMPLITUDE),
  onnx(graph, x) {
    const scalar = (part: string, value: number): string => graph.floats(part, [], Float32Array.of(value));
    const scaled = graph.add('scaled', 'Mul', [x, scalar('slope', TANH_SLOPE)]);
    return graph.add('', 'Mul', [graph.add('tanh', 'Tanh', [scaled]), scalar('amplitude', TANH_AMPLITUDE)]);
  },
  keras(keras, x) {
    const scaled = keras.add('scaled', 'Rescaling', [x], { scale: TANH_SLOPE, offset: 0 });
    const bounded = keras.add('tanh', 'Activation', [scaled], { activation: 'tanh' });
    return keras.add('', 'Rescaling', [bounded], { scale: TANH_AMPLITUDE, offset: 0 });
  },
  graph(graph, x) {
    const bounded = graph.add('tanh/Tanh', [scaled(graph, 'slope', x, TANH_SLOPE)], x.shape);
    return scaled(graph, 'amplitude', bounded, TANH_AMPLITUDE);
  },
});
