import { headOf, kindOf } from '../../shared/model/kinds.ts';
import { firstVectorLayer, type Network, PRODUCER, weightsOf } from './network.ts';
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
  const graph = new OnnxGraph();
  const values = addLayers(graph, network);
  const scores = headOf(head).isDistance ? graph.add('scores', 'Neg', [values]) : values;
  graph.add(OUTPUT, 'Softmax', [scores], { axis: 1 });
  const message = {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    producerName: PRODUCER,
    producerVersion: version,
    docString: `Input ${INPUT}: float32 [N,1,${input.height},${input.width}], 0 (background) to 1 (ink).`,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: graph.message(name, {
      inputs: [{ name: INPUT, dims: [COUNT, 1, input.height, input.width] }],
      outputs: [OUTPUT, values].map((output) => ({ name: output, dims: [COUNT, head.classes] })),
    }),
  };
  return ModelProto.encode(ModelProto.create(message)).finish();
}

/** @returns the name of the head's values */
function addLayers(graph: OnnxGraph, network: Network): string {
  const { spec, layers } = network.layout;
  const { padding } = spec.input;
  // Images, maps, rows, columns: before each, then after each.
  const sides = graph.integers('padded.sides', [0, 0, padding, padding, 0, 0, padding, padding]);
  const padded = graph.add('padded', 'Pad', [INPUT, sides]);
  const vectors = firstVectorLayer(network.layout);
  return layers.reduce((x, layer) => {
    // Map by map, the order of the next layer's weights.
    const input = layer === vectors ? graph.add('flat', 'Flatten', [x], { axis: 1 }) : x;
    return kindOf(layer.spec).onnx(graph, layer, input, weightsOf(layer, network));
  }, padded);
}
