import { ModelError } from '../../util/errors.ts';
import { ANY, type GraphValue, normalized as graphNormalized, reshaped, weighted } from '../formats/graph.ts';
import { type KerasValue, scaledMaps as kerasScaledMaps } from '../formats/keras.ts';
import { ANY_COUNT, normalized as onnxNormalized, scaledMaps } from '../formats/onnx.ts';
import { normalized, type Tensor, scaledMaps as tensorScaledMaps } from '../formats/tensorflow.ts';
import { type Shape, shapeSize } from '../shape.ts';
import { LANES, sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import { type LayerSpec, tensorOf } from './placed-layer.ts';

/** Each sample's groups of maps brought to mean 0 and variance 1, then each map scaled and shifted (Y. Wu, K. He, "Group normalization", ECCV 2018). */
export interface GroupNormSpec extends LayerSpec {
  readonly kind: 'group-norm';
  readonly groups: number;
  readonly epsilon: number;
}

export const groupNorm = {
  kind: 'group-norm',
  text: 'group normalization',
  takes: 'stacks',
  refines: true,

  fields: (zod) => ({
    groups: zod.int().min(1).describe('groups of maps'),
    epsilon: zod.number().min(1e-12).max(1).default(1e-5).describe('added to the variance'),
  }),
  shape({ name, groups }, [input]) {
    const shape = input as Shape;
    if (shape.maps % groups === 0) return shape;
    throw new ModelError(`${name}: ${groups} groups don't divide its ${shape.maps} maps.`);
  },
  tensors({ output: { maps } }) {
    return [
      { part: 'weight', role: 'norm', shape: [maps], fill: 1 },
      { part: 'bias', role: 'norm', shape: [maps] },
    ];
  },
  macs: () => NO_MACS,

  forward(emit, layer, { inputs: [x], output }) {
    const { groups, epsilon } = layer.spec;
    const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
    const stack = [output.shape.maps, sides(output.shape), groups];
    const saved = emit.scratch('statistics', 2 * 4 * LANES * groups);
    emit.op('forward', 'groupNorm', x as Value, output, ...stack, weight, bias, saved, epsilon);
  },
  backward(emit, layer, { inputs: [x], output: { shape }, delta, inputDeltas: [target] }) {
    const { groups } = layer.spec;
    const weight = tensorOf(layer, 'weight');
    const saved = emit.scratch('statistics', 2 * 4 * LANES * groups);
    const values = [x as Value, delta, target ?? emit.temporary(shape), shape.maps, sides(shape), groups];
    emit.op('train', 'groupNormBackward', ...values, weight, saved, emit.trains(layer) ? weight : undefined);
  },

  tfjs(tf, { spec: { groups, epsilon }, output }, [x], parameters) {
    const { maps, height, width } = output;
    const [count = 0] = (x as Tensor).shape;
    const grouped = tf.reshape(x as Tensor, [count, height * width, groups, maps / groups]);
    const normal = normalized(tf, grouped, [1, 3], epsilon);
    return tensorScaledMaps(tf, tf.reshape(normal, [count, height, width, maps]), parameters);
  },
  // In operators that readers from before opset 18 have.
  onnx(graph, { spec: { groups, epsilon }, output }, [x], weights) {
    const rows = graph.integers('groups', [ANY_COUNT, groups, shapeSize(output) / groups]);
    const normal = onnxNormalized(graph, graph.add('grouped', 'Reshape', [x as string, rows]), groups, epsilon);
    const stack = graph.integers('stack', [ANY_COUNT, output.maps, output.height, output.width]);
    return scaledMaps(graph, '', graph.add('normalized', 'Reshape', [normal, stack]), weights);
  },
  // Keras has no such layer that TensorFlow.js knows: each group's values in a row are normalized as a layer's.
  keras(keras, { spec: { groups, epsilon }, output }, [x], weights) {
    const { maps, height, width } = output;
    const [area, perGroup] = [height * width, maps / groups];
    const reshape = (part: string, from: string, sizes: readonly number[]): string =>
      keras.add(part, 'Reshape', [from], { target_shape: sizes });
    const permute = (part: string, from: string): string => keras.add(part, 'Permute', [from], { dims: [2, 1, 3] });
    const byGroup = permute('grouped', reshape('split', (x as KerasValue).name, [area, groups, perGroup]));
    const rows = reshape('rows', byGroup, [groups, area * perGroup]);
    const normal = keras.add('normalized', 'LayerNormalization', [rows], {
      axis: [2],
      epsilon,
      center: false,
      scale: false,
    });
    const byArea = permute('ungrouped', reshape('unrolled', normal, [groups, area, perGroup]));
    return kerasScaledMaps(keras, '', reshape('joined', byArea, [height, width, maps]), weights);
  },
  graph(graph, { spec: { groups, epsilon }, output }, [x], variables) {
    const grouped = reshaped(graph, 'grouped', x as GraphValue, [ANY, groups, shapeSize(output) / groups]);
    const normal = graphNormalized(graph, grouped, 2, epsilon);
    const stack = reshaped(graph, 'normalized', normal, (x as GraphValue).shape);
    return weighted(graph, stack, variables, [output.maps, 1, 1]);
  },
} satisfies Layer<GroupNormSpec, 'weight' | 'bias'>;
