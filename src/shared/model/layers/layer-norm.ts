import { type GraphValue, normalized as graphNormalized, weighted } from '../formats/graph.ts';
import { type KerasValue, mapsLast } from '../formats/keras.ts';
import { ANY_COUNT, normalized as onnxNormalized, scaledMaps } from '../formats/onnx.ts';
import { normalized, type Tensor } from '../formats/tensorflow.ts';
import { isVector, type Shape, shapeSize } from '../shape.ts';
import { flattened, writeFlattened } from './contiguous.ts';
import { LANES, sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import { type LayerSpec, tensorOf } from './placed-layer.ts';

/** Each sample brought to mean 0 and variance 1, then each value scaled and shifted (J. Ba et al., "Layer normalization", 2016). */
export interface LayerNormSpec extends LayerSpec {
  readonly kind: 'layer-norm';
  readonly epsilon: number;
}

/** To the kernel it is a group norm of one group, in which every value is a map. */
const GROUPS = 1;
const STATISTICS = 2 * 4 * LANES * GROUPS;

export const layerNorm = {
  kind: 'layer-norm',
  text: 'layer normalization',
  refines: true,

  fields: (zod) => ({
    epsilon: zod.number().min(1e-12).max(1).default(1e-5).describe('added to the variance'),
  }),
  shape: (_spec, [input]) => input as Shape,
  tensors({ output: { maps, height, width } }) {
    const shape = height === 1 && width === 1 ? [maps] : [maps, height, width];
    return [
      { part: 'weight', role: 'norm', shape, fill: 1 },
      { part: 'bias', role: 'norm', shape },
    ];
  },
  macs: () => NO_MACS,

  forward(emit, layer, { inputs: [x], output }) {
    const from = flattened(emit, 'forward', x as Value);
    const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
    const saved = emit.scratch('statistics', STATISTICS);
    const stack = [from.shape.maps, sides(from.shape), GROUPS];
    writeFlattened(emit, 'forward', output, (to) =>
      emit.op('forward', 'groupNorm', from, to, ...stack, weight, bias, saved, layer.spec.epsilon),
    );
  },
  backward(emit, layer, { inputs: [x], output: { shape }, delta, inputDeltas: [target] }) {
    const [from, deltas] = [flattened(emit, 'train', x as Value), flattened(emit, 'train', delta)];
    const weight = tensorOf(layer, 'weight');
    const saved = emit.scratch('statistics', STATISTICS);
    const stack = [from.shape.maps, sides(from.shape), GROUPS];
    writeFlattened(emit, 'train', target ?? emit.temporary(shape), (to) =>
      emit.op(
        'train',
        'groupNormBackward',
        from,
        deltas,
        to,
        ...stack,
        weight,
        saved,
        emit.trains(layer) ? weight : undefined,
      ),
    );
  },

  tfjs(tf, { spec: { epsilon } }, [x], { weight, bias }) {
    const { shape } = x as Tensor;
    const axes = shape.map((_, axis) => axis).slice(1);
    const normal = normalized(tf, x as Tensor, axes, epsilon);
    // Of maps too, the weights have the maps last here.
    const fitting = (values: Tensor): Tensor => (shape.length === 2 ? values : tf.transpose(values, [1, 2, 0]));
    return tf.add(tf.mul(normal, fitting(weight)), fitting(bias));
  },
  onnx(graph, { spec: { epsilon }, output }, [x], weights) {
    const size = shapeSize(output);
    const reshape = (part: string, from: string, sizes: readonly number[]): string =>
      graph.add(part, 'Reshape', [from, graph.integers(`${part || 'output'}.shape`, [ANY_COUNT, ...sizes])]);
    const normal = onnxNormalized(graph, reshape('row', x as string, [1, size]), 1, epsilon);
    const weighted = scaledMaps(graph, 'weighted', reshape('normalized', normal, [size, 1, 1]), weights);
    const { maps, height, width } = output;
    return reshape('', weighted, isVector(output) ? [maps] : [maps, height, width]);
  },
  keras(keras, { spec: { epsilon }, output }, [x], { weight, bias }) {
    const { maps, height, width } = output;
    const [axis, shape] = isVector(output)
      ? [[1], [maps]]
      : [
          [1, 2, 3],
          [height, width, maps],
        ];
    return keras.add('', 'LayerNormalization', [(x as KerasValue).name], { axis, epsilon, center: true, scale: true }, [
      { name: 'gamma', shape, values: mapsLast(weight, output) },
      { name: 'beta', shape, values: mapsLast(bias, output) },
    ]);
  },
  graph(graph, { spec: { epsilon } }, [x], variables) {
    const value = x as GraphValue;
    return weighted(graph, graphNormalized(graph, value, 1, epsilon), variables, value.shape.slice(1));
  },
} satisfies Layer<LayerNormSpec, 'weight' | 'bias'>;
