import { activation } from './activation.ts';
import type { Zod } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** x where that is above 0, else slope times x. */
export interface LeakyReluSpec extends LayerSpec {
  readonly kind: 'leaky-relu';
  readonly slope: number;
}

const fields = (zod: Zod) => ({
  slope: zod.number().min(0).max(1).default(0.01).describe('of values below 0'),
});

export const leakyRelu = activation<LeakyReluSpec, ReturnType<typeof fields>>({
  kind: 'leaky-relu',
  text: 'leaky ReLU',
  code: 5,
  fields,
  parameter: ({ slope }) => slope,
  imports: {
    onnx: { LeakyRelu: (number) => ({ slope: number('alpha', 0.01) }) },
    keras: { LeakyReLU: (number) => ({ slope: number('negative_slope', number('alpha', 0.3)) }) },
    kerasActivation: { leaky_relu: (number) => ({ slope: number('negative_slope', number('alpha', 0.2)) }) },
  },
  tfjs: (tf, x, { slope }) => tf.leakyRelu(x, slope),
  onnx: (graph, x, { slope }) => graph.add('', 'LeakyRelu', [x], { alpha: { float: slope } }),
  keras: (keras, x, { slope }) => keras.add('', 'LeakyReLU', [x], { alpha: slope }),
  graph: (graph, x, { slope }) => graph.add('LeakyRelu', [x], x.shape, { alpha: { float: slope } }),
});
