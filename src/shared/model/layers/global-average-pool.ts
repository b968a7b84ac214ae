import { batchOf, type GraphValue, INT32 } from '../formats/graph.ts';
import { CHANNELS_LAST, type KerasValue } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import { type Shape, vector } from '../shape.ts';
import type { Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerLayout, LayerSpec } from './placed-layer.ts';
import { spread, windowArguments } from './pool.ts';
import type { Windows } from './windows.ts';

/** The mean of each map. */
export interface GlobalAveragePoolSpec extends LayerSpec {
  readonly kind: 'global-average-pool';
}

export const globalAveragePool = {
  kind: 'global-average-pool',
  text: 'global average pooling',
  takes: 'stacks',
  gives: 'vectors',

  fields: () => ({}),
  shape: (_spec, [input]) => vector((input as Shape).maps),
  tensors: () => [],
  macs: () => NO_MACS,
  forward(emit, layer, { inputs: [x], output }) {
    emit.op('forward', 'averagePool', x as Value, output, ...windowArguments(whole(layer), layer));
  },
  backward: (emit, layer, values) => spread(emit, layer, whole(layer), values),

  tfjs: (tf, _layer, [x]) => tf.mean(x as Tensor, [1, 2]),
  onnx: (graph, _layer, [x]) =>
    graph.add('', 'Flatten', [graph.add('means', 'GlobalAveragePool', [x as string])], { axis: 1 }),
  keras: (keras, _layer, [x]) => keras.add('', 'GlobalAveragePooling2D', [(x as KerasValue).name], CHANNELS_LAST),
  graph(graph, { output }, [x]) {
    const axes = graph.constant('axes', Int32Array.of(2, 3), [2]);
    return graph.add('Mean', [x as GraphValue, axes], batchOf(output), { Tidx: INT32, keep_dims: false });
  },
} satisfies Layer<GlobalAveragePoolSpec, never>;

function whole({ inputs: [input] }: LayerLayout): Windows {
  const { height, width } = input as Shape;
  return { size: [height, width], stride: [height, width], padding: 'valid' };
}
