import { Names } from '../../shared/model/formats/names.ts';
import { ANY_COUNT } from '../../shared/model/formats/onnx.ts';
import { headOf, kindOf } from '../../shared/model/kinds.ts';
import { isVector, type Shape } from '../../shared/model/shape.ts';
import { type Network, PRODUCER, weightsOf } from './network.ts';
import { OnnxGraph } from './onnx-graph.ts';
import { ModelProto } from './onnx-schema.ts';

// ONNX 1.8 (2020): every operator here has its present meaning, and runtimes since then read it.
const OPSET = 13;
const IR_VERSION = 7;

const INPUT = 'image';
/** The dimension of samples, any number of them. */
const COUNT = 'N';

/**
 * The network as an ONNX model of stock operators. Input `image` [N][maps][height][width], or [N][units] if samples are vectors;
 * outputs [N][classes] as the head has them, such as `probabilities` and then `logits`.
 */
export function encodeOnnx(network: Network): Uint8Array {
  const { layout, version, metadata } = network;
  const { input, head, name } = layout.spec;
  const { onnx, onnxOutputs } = headOf(head);
  const graph = new OnnxGraph(new Names([INPUT, ...onnxOutputs]));
  onnx(graph.within('head'), head, addLayers(graph, network));
  const dims = [COUNT, ...(isVector(input) ? [input.maps] : [input.maps, input.height, input.width])];
  const message = {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: '', version: OPSET }],
    producerName: PRODUCER,
    producerVersion: version,
    docString: `Input ${INPUT}: float32 [${dims.join(',')}]; bytes of pictures are divided by 255.`,
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: graph.message(name, {
      inputs: [{ name: INPUT, dims }],
      outputs: onnxOutputs.map((output) => ({ name: output, dims: [COUNT, layout.classes] })),
    }),
  };
  return ModelProto.encode(ModelProto.create(message)).finish();
}

/** @returns the name of the last layer's values */
function addLayers(graph: OnnxGraph, network: Network): string {
  const outputs: string[] = [];
  for (const layer of network.layout.layers) {
    const { takes, gives, onnx } = kindOf(layer.spec);
    const own = graph.within(layer.spec.name);
    const x = layer.sources.map((source, i) => {
      const value = source === -1 ? INPUT : (outputs[source] as string);
      return taken(own, takes, value, layer.inputs[i] as Shape);
    });
    const y = onnx(own, layer, x, weightsOf(layer, network));
    const isStack = takes === 'stacks' && gives !== 'vectors';
    outputs.push(isStack && isVector(layer.output) ? flat(own, y) : y);
  }
  return outputs.at(-1) as string;
}

function taken(graph: OnnxGraph, takes: 'stacks' | 'vectors' | undefined, x: string, shape: Shape): string {
  if (takes === 'vectors' && !isVector(shape)) return flat(graph, x);
  if (takes !== 'stacks' || !isVector(shape)) return x;
  return graph.add('stack', 'Reshape', [x, graph.integers('stack.shape', [ANY_COUNT, shape.maps, 1, 1])]);
}

/** Map by map, the order of dense layers' weights. */
function flat(graph: OnnxGraph, x: string): string {
  return graph.add('flat', 'Flatten', [x], { axis: 1 });
}
