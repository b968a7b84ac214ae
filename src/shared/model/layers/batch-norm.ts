import { CHANNELS_FIRST, type GraphValue } from '../formats/graph.ts';
import type { KerasValue } from '../formats/keras.ts';
import { normalized, scaledMaps, type Tensor, type TensorOperations } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';
import { LANES, sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import { type LayerSpec, tensorOf } from './placed-layer.ts';

/**
 * Each map brought to mean 0 and variance 1, then scaled and shifted (S. Ioffe, C. Szegedy, "Batch normalization", ICML 2015).
 * In training the statistics are those of a block of at most 8 samples ("ghost batches"), so that a shard's gradient depends
 * on its samples alone; otherwise, and if the layer is frozen, the running ones.
 */
export interface BatchNormSpec extends LayerSpec {
  readonly kind: 'batch-norm';
  /** The share of a new step's statistics in the running ones, as PyTorch means it. */
  readonly momentum: number;
  readonly epsilon: number;
}

export const batchNorm = {
  kind: 'batch-norm',
  text: 'batch normalization',
  refines: true,

  fields: (zod) => ({
    momentum: zod.number().min(0).max(1).default(0.1).describe("a step's share in the running statistics"),
    epsilon: zod.number().min(1e-12).max(1).default(1e-5).describe('added to the variance'),
  }),
  shape: (_spec, [input]) => input as Shape,
  tensors({ spec: { momentum }, output: { maps } }) {
    const shape = [maps];
    return [
      { part: 'weight', role: 'norm', shape, fill: 1 },
      { part: 'bias', role: 'norm', shape },
      { part: 'running_mean', role: 'state', shape, momentum },
      { part: 'running_var', role: 'state', shape, momentum, fill: 1 },
    ];
  },
  macs: () => NO_MACS,

  forward(emit, layer, { inputs: [x], output }, training) {
    const { maps } = output.shape;
    const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
    const [mean, variance] = [tensorOf(layer, 'running_mean'), tensorOf(layer, 'running_var')];
    const values = [x as Value, output, maps, sides(output.shape), weight, bias];
    const { epsilon } = layer.spec;
    if (!training || !emit.trains(layer)) {
      emit.op('forward', 'batchNormInference', ...values, mean, variance, epsilon);
      return;
    }
    const saved = emit.scratch('statistics', 3 * 4 * maps);
    emit.op('forward', 'batchNorm', ...values, saved, mean, variance, epsilon);
  },
  backward(emit, layer, { inputs: [x], output: { shape }, delta, inputDeltas: [target] }) {
    const weight = tensorOf(layer, 'weight');
    if (!emit.trains(layer)) {
      const values = [delta, target as Value, shape.maps, sides(shape), weight, tensorOf(layer, 'running_var')];
      emit.op('train', 'batchNormInferenceBackward', ...values, layer.spec.epsilon);
      return;
    }
    const saved = emit.scratch('statistics', 3 * 4 * shape.maps);
    const values = [x as Value, delta, target ?? emit.temporary(shape), shape.maps, sides(shape)];
    emit.op('train', 'batchNormBackward', ...values, weight, saved, weight);
  },

  tfjs(tf, layer, [x], { weight, bias, running_mean, running_var }, pass) {
    const { epsilon } = layer.spec;
    const values = x as Tensor;
    if (!pass.training || layer.frozen) {
      const deviation = tf.sqrt(tf.add(running_var, epsilon));
      return scaledMaps(tf, tf.div(tf.sub(values, running_mean), deviation), { weight, bias });
    }
    const axes = values.shape.map((_, axis) => axis).slice(0, -1);
    const blocks = blocksOf(tf, values);
    const [mean, variance] = [tensorOf(layer, 'running_mean'), tensorOf(layer, 'running_var')];
    const sumUp = (statistic: (block: Tensor) => Tensor): Tensor =>
      blocks
        .map((block) => tf.mul(statistic(block), block.shape[0] as number))
        .reduce((sum, each) => tf.add(sum, each));
    if (mean !== undefined)
      pass.observe(
        mean,
        sumUp((block) => tf.mean(block, axes)),
      );
    const varianceOf = (block: Tensor): Tensor => tf.mean(tf.square(tf.sub(block, tf.mean(block, axes))), axes);
    if (variance !== undefined) pass.observe(variance, sumUp(varianceOf));
    const each = blocks.map((block) => normalized(tf, block, axes, epsilon));
    return scaledMaps(tf, tf.concat(each, 0), { weight, bias });
  },
  onnx(graph, { spec: { epsilon, momentum }, output: { maps } }, [x], weights) {
    const inputs = PARTS.map((part) => graph.floats(part, [maps], weights[part]));
    const attributes = { epsilon: { float: epsilon }, momentum: { float: 1 - momentum } };
    return graph.add('', 'BatchNormalization', [x as string, ...inputs], attributes);
  },
  keras(keras, { spec: { epsilon, momentum }, output: { maps } }, [x], weights) {
    const names = { weight: 'gamma', bias: 'beta', running_mean: 'moving_mean', running_var: 'moving_variance' };
    const tensors = PARTS.map((part) => ({ name: names[part], shape: [maps], values: weights[part] }));
    const config = { axis: -1, epsilon, momentum: 1 - momentum, center: true, scale: true };
    return keras.add('', 'BatchNormalization', [(x as KerasValue).name], config, tensors);
  },
  graph(graph, { spec: { epsilon }, frozen }, [x], variables) {
    const value = x as GraphValue;
    const inputs = [value, ...PARTS.map((part) => variables[part])];
    const others = Array.from({ length: 4 }, () => (variables.weight as GraphValue).shape);
    const attributes = {
      ...CHANNELS_FIRST,
      U: { type: 'float' } as const,
      epsilon: { float: epsilon },
      is_training: !frozen,
    };
    return graph.add('FusedBatchNormV3', inputs, value.shape, attributes, { others });
  },
} satisfies Layer<BatchNormSpec, 'weight' | 'bias' | 'running_mean' | 'running_var'>;

const PARTS = ['weight', 'bias', 'running_mean', 'running_var'] as const;

/** The blocks of samples that have their statistics in common. */
function blocksOf(tf: TensorOperations, x: Tensor): Tensor[] {
  const [count = 0, ...rest] = x.shape;
  const none = rest.map(() => 0);
  return Array.from({ length: Math.ceil(count / LANES) }, (_, block) => {
    const first = block * LANES;
    return tf.slice(x, [first, ...none], [Math.min(LANES, count - first), ...rest]);
  });
}
