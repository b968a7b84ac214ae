import type { LayerLayout } from '../../shared/model/layout.ts';
import { type DenseSpec, type RbfHeadSpec, TANH_AMPLITUDE, TANH_SLOPE } from '../../shared/model/spec.ts';
import { denseKernels, firstVectorLayer, type Network, PRODUCER, parametersOf, WINDOW } from './network.ts';
import { OnnxGraph } from './onnx-graph.ts';
import { ModelProto } from './onnx-schema.ts';

// ONNX 1.8 (2020): every operator here has its present meaning, and runtimes since then read it.
const OPSET = 13;
const IR_VERSION = 7;

const INPUT = 'image';
const OUTPUT = 'probabilities';
/** The dimension of images, any number of them. */
const COUNT = 'N';

/**
 * The network as an ONNX model of stock operators. Input `image` [N][1][height][width] in 0..1; first output `probabilities`
 * [N][classes]; second the head's own values [N][classes], `logits` or, with the RBF head, `distances`.
 */
export function encodeOnnx(network: Network): Uint8Array {
  const { layout, version, metadata } = network;
  const { input, head, name } = layout.spec;
  const writer = new OnnxWriter(network);
  const values = writer.addLayers(INPUT);
  writer.addProbabilities(values, OUTPUT);
  const message = {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    producerName: PRODUCER,
    producerVersion: version,
    docString: `Input ${INPUT}: float32 [N,1,${input.height},${input.width}], 0 (background) to 1 (ink).`,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: writer.graph.message(name, {
      inputs: [{ name: INPUT, dims: [COUNT, 1, input.height, input.width] }],
      outputs: [OUTPUT, values].map((output) => ({ name: output, dims: [COUNT, head.classes] })),
    }),
  };
  return ModelProto.encode(ModelProto.create(message)).finish();
}

/** Adds a network's layers to a graph. Methods take the name of their input and return that of their output. */
class OnnxWriter {
  readonly graph = new OnnxGraph();
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /** @returns the head's values: `logits` or `distances` */
  addLayers(image: string): string {
    const { spec, layers } = this.#network.layout;
    const { padding } = spec.input;
    // Images, maps, rows, columns: before each, then after each.
    const sides = this.graph.integers('padded.sides', [0, 0, padding, padding, 0, 0, padding, padding]);
    const padded = this.graph.add('padded', 'Pad', [image, sides]);
    const vectors = firstVectorLayer(this.#network.layout);
    return layers.reduce((x, layer) => {
      // Map by map, the order of the next layer's weights.
      const input = layer === vectors ? this.graph.add('flat', 'Flatten', [x], { axis: 1 }) : x;
      return this.#addLayer(layer, input);
    }, padded);
  }

  addProbabilities(values: string, name: string): void {
    const isDistance = this.#network.layout.spec.head.kind === 'rbf';
    const scores = isDistance ? this.graph.add('scores', 'Neg', [values]) : values;
    this.graph.add(name, 'Softmax', [scores], { axis: 1 });
  }

  #addLayer(layer: LayerLayout, x: string): string {
    const { spec } = layer;
    switch (spec.kind) {
      case 'conv':
        return this.#addConv(layer, spec.kernel, x);
      case 'subsample':
        return this.#addSubsample(layer, x);
      case 'dense':
        return this.#addActivation(spec, this.#addDense(layer, x, `${spec.name}.sums`));
      case 'softmax':
        return this.#addDense(layer, x, 'logits');
      case 'rbf':
        return this.#addDistances(spec, x);
    }
  }

  #addConv(layer: LayerLayout, kernel: number, x: string): string {
    const { name } = layer.spec;
    const { maps } = layer.output;
    const [kernels, bias] = parametersOf(layer, this.#network);
    const shape = [maps, layer.input.maps, kernel, kernel];
    const weight = this.graph.floats(`${name}.weight`, shape, denseKernels(layer, kernels));
    const inputs = [x, weight, this.graph.floats(`${name}.bias`, [maps], bias)];
    return this.graph.add(name, 'Conv', inputs, { kernel_shape: [kernel, kernel] });
  }

  #addSubsample(layer: LayerLayout, x: string): string {
    const { name } = layer.spec;
    const { maps } = layer.output;
    const [coefficient, bias] = parametersOf(layer, this.#network);
    const means = this.graph.add(`${name}.means`, 'AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
    const factors = coefficient.map((c) => WINDOW * c);
    const weight = this.graph.floats(`${name}.factor`, [maps, 1, 1, 1], factors);
    const inputs = [means, weight, this.graph.floats(`${name}.bias`, [maps], bias)];
    const scaled = this.graph.add(`${name}.scaled`, 'Conv', inputs, { kernel_shape: [1, 1], group: maps });
    return this.graph.add(name, 'Relu', [scaled]);
  }

  #addDense(layer: LayerLayout, x: string, output: string): string {
    const { name } = layer.spec;
    const units = layer.output.maps;
    const [weight, bias] = parametersOf(layer, this.#network);
    const inputs = [
      x,
      this.graph.floats(`${name}.weight`, [units, weight.length / units], weight),
      this.graph.floats(`${name}.bias`, [units], bias),
    ];
    return this.graph.add(output, 'Gemm', inputs, { transB: 1 });
  }

  #addActivation({ name, activation }: DenseSpec, sums: string): string {
    if (activation === 'relu') return this.graph.add(name, 'Relu', [sums]);
    const scalar = (suffix: string, value: number): string =>
      this.graph.floats(`${name}.${suffix}`, [], Float32Array.of(value));
    const scaled = this.graph.add(`${name}.scaled`, 'Mul', [sums, scalar('slope', TANH_SLOPE)]);
    const tanh = this.graph.add(`${name}.tanh`, 'Tanh', [scaled]);
    return this.graph.add(name, 'Mul', [tanh, scalar('amplitude', TANH_AMPLITUDE)]);
  }

  /** y_i = sum_j (x_j - w_ij)^2 */
  #addDistances({ name, targets, classes }: RbfHeadSpec, x: string): string {
    const shape = [classes, targets[0]?.length ?? 0];
    const bitmaps = this.graph.floats(`${name}.targets`, shape, Float32Array.from(targets.flat()));
    const inputs = this.graph.add(`${name}.inputs`, 'Unsqueeze', [x, this.graph.integers(`${name}.axis`, [1])]);
    const differences = this.graph.add(`${name}.differences`, 'Sub', [inputs, bitmaps]);
    const squares = this.graph.add(`${name}.squares`, 'Mul', [differences, differences]);
    return this.graph.add('distances', 'ReduceSum', [squares, this.graph.integers(`${name}.units`, [2])], {
      keepdims: 0,
    });
  }
}
