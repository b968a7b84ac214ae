import type { GraphEmitter, GraphValue } from '../formats/graph.ts';
import type { KerasLayer } from '../formats/keras.ts';
import type { OnnxEmitter } from '../formats/onnx.ts';
import type { Tensor, TensorOperations } from '../formats/tensorflow.ts';

/** LeCun et al. 1998, appendix A: f(a) = A tanh(S a). */
export const TANH_AMPLITUDE = 1.7159;
export const TANH_SLOPE = 2 / 3;

/** An elementwise function at the end of a layer. `name` is the layer's. */
interface ActivationKind {
  tfjs(tf: TensorOperations, x: Tensor): Tensor;
  onnx(graph: OnnxEmitter, name: string, x: string): string;
  /** What a Keras layer does itself, and the layers that follow it. */
  keras(name: string): { readonly activation: string; readonly after: readonly KerasLayer[] };
  graph(graph: GraphEmitter, x: GraphValue): GraphValue;
}

export const relu: ActivationKind = {
  tfjs: (tf, x) => tf.relu(x),
  onnx: (graph, name, x) => graph.add(name, 'Relu', [x]),
  keras: () => ({ activation: 'relu', after: [] }),
  graph: (graph, x) => graph.add('Relu', [x], x.shape),
};

const scaledTanh: ActivationKind = {
  tfjs: (tf, x) => tf.mul(tf.tanh(tf.mul(x, TANH_SLOPE)), TANH_AMPLITUDE),
  onnx(graph, name, x) {
    const scalar = (suffix: string, value: number): string =>
      graph.floats(`${name}.${suffix}`, [], Float32Array.of(value));
    const scaled = graph.add(`${name}.scaled`, 'Mul', [x, scalar('slope', TANH_SLOPE)]);
    const tanh = graph.add(`${name}.tanh`, 'Tanh', [scaled]);
    return graph.add(name, 'Mul', [tanh, scalar('amplitude', TANH_AMPLITUDE)]);
  },
  keras: (name) => ({
    activation: 'linear',
    after: [
      { className: 'Rescaling', config: { name: `${name}_scaled`, scale: TANH_SLOPE, offset: 0 } },
      { className: 'Activation', config: { name: `${name}_tanh`, activation: 'tanh' } },
      { className: 'Rescaling', config: { name: `${name}_amplified`, scale: TANH_AMPLITUDE, offset: 0 } },
    ],
  }),
  graph(graph, x) {
    const slope = graph.constant('tanh/slope', Float32Array.of(TANH_SLOPE), []);
    const scaled = graph.add('tanh/Mul', [x, slope], x.shape);
    const bounded = graph.add('tanh/Tanh', [scaled], x.shape);
    const amplitude = graph.constant('amplify/amplitude', Float32Array.of(TANH_AMPLITUDE), []);
    return graph.add('amplify/Mul', [bounded, amplitude], x.shape);
  },
};

export const ACTIVATIONS = { relu, 'scaled-tanh': scaledTanh };

export type Activation = keyof typeof ACTIVATIONS;
