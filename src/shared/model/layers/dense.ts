import { ANY, biased } from '../formats/graph.ts';
import type { KerasLayer } from '../formats/keras.ts';
import type { OnnxEmitter } from '../formats/onnx.ts';
import { shapeSize } from '../shape.ts';
import { ACTIVATIONS, type Activation } from './activation.ts';
import type { Layer, LayerLayout, NamedSpec, Parts, PlacedLayer } from './layer.ts';

export interface DenseSpec extends NamedSpec {
  readonly kind: 'dense';
  readonly units: number;
  readonly activation: Activation;
}

type Part = 'weight' | 'bias';
type Weights = Parts<Part, Float32Array>;

/** The sums of a dense layer, before its activation. */
export const denseSums = {
  takesVectors: true,
  tensors({ input, output }) {
    const [units, inputs] = [output.maps, shapeSize(input)];
    return [
      { part: 'weight', shape: [units, inputs], fanIn: Array.from({ length: units }, () => inputs) },
      { part: 'bias', shape: [units] },
    ];
  },
  connections: ({ input, output }) => output.maps * (shapeSize(input) + 1),
  macs({ input, output }) {
    const macs = shapeSize(input) * output.maps;
    return { forward: macs, input: macs, weight: macs };
  },
  tfjs: (tf, _layer, x, { weight, bias }) => tf.add(tf.matMul(x, weight, false, true), bias),
  graph(graph, { output }, x, { weight, bias }) {
    const attributes = { transpose_a: false, transpose_b: true };
    return biased(graph, graph.add('MatMul', [x, weight], [ANY, output.maps], attributes), bias);
  },
} satisfies Partial<Layer<NamedSpec, Part>>;

/** @param sums the name of the output */
export function onnxSums(
  graph: OnnxEmitter,
  { spec: { name }, output: { maps }, input }: PlacedLayer,
  x: string,
  { weight, bias }: Weights,
  sums: string,
): string {
  const inputs = [
    x,
    graph.floats(`${name}.weight`, [maps, shapeSize(input)], weight),
    graph.floats(`${name}.bias`, [maps], bias),
  ];
  return graph.add(sums, 'Gemm', inputs, { transB: 1 });
}

export function kerasDense(layer: PlacedLayer, { weight, bias }: Weights, activation: string): KerasLayer {
  const { spec, input, output } = layer;
  const units = output.maps;
  return {
    className: 'Dense',
    config: { name: spec.name, units, activation, use_bias: true },
    weights: [
      { name: `${spec.name}/kernel`, shape: [shapeSize(input), units], values: kerasKernel(layer, weight) },
      { name: `${spec.name}/bias`, shape: [units], values: bias },
    ],
  };
}

/** From [unit][map][row][column] to [row][column][map][unit], the order in which tfjs flattens. */
function kerasKernel({ input, output }: PlacedLayer, weight: Float32Array): Float32Array {
  const places = input.height * input.width;
  const kernel = new Float32Array(weight.length);
  let next = 0;
  for (let unit = 0; unit < output.maps; unit++) {
    for (let map = 0; map < input.maps; map++) {
      for (let place = 0; place < places; place++) {
        kernel[(place * input.maps + map) * output.maps + unit] = weight[next++] as number;
      }
    }
  }
  return kernel;
}

export const dense: Layer<DenseSpec, Part> = {
  ...denseSums,
  kind: 'dense',
  text: 'fully connected',
  shape: ({ units }) => ({ maps: units, height: 1, width: 1 }),

  tfjs: (tf, layer, x, parameters) => activationOf(layer).tfjs(tf, denseSums.tfjs(tf, layer, x, parameters)),
  onnx(graph, layer, x, weights) {
    const { name } = layer.spec;
    return activationOf(layer).onnx(graph, name, onnxSums(graph, layer, x, weights, `${name}.sums`));
  },
  keras(layer, weights) {
    const { activation, after } = activationOf(layer).keras(layer.spec.name);
    return [kerasDense(layer, weights, activation), ...after];
  },
  graph: (graph, layer, x, variables) => activationOf(layer).graph(graph, denseSums.graph(graph, layer, x, variables)),
};

function activationOf({ spec }: LayerLayout<DenseSpec>) {
  return ACTIVATIONS[spec.activation];
}
