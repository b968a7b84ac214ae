import { ANY, type GraphEmitter, type GraphValue, INT32 } from '../formats/graph.ts';
import { shapeSize } from '../shape.ts';
import type { Head, HeadSpec } from './head.ts';
import { MAX_DIFFERENCE, outputsOf } from './outputs.ts';

/** Several labels a sample, each by the sigmoid of its own output, with the mean of their cross-entropies as loss. */
export interface SigmoidHeadSpec extends HeadSpec {
  readonly kind: 'sigmoid';
}

/** Regression: the mean of squared errors. */
export interface MseHeadSpec extends HeadSpec {
  readonly kind: 'mse';
}

export const sigmoidHead = {
  kind: 'sigmoid',
  text: 'sigmoid',
  targetKind: 'numbers',
  // A sample is right if all of its labels are.
  hasAccuracy: true,
  maxLoss: () => MAX_DIFFERENCE,
  isDistance: false,
  fields: () => ({}),
  outputs: (_spec, last) => outputsOf('sigmoid', last),
  emit(emit, _spec, z, delta) {
    const { predictions, loss, indices } = emit.block;
    emit.op('forward', 'sigmoidHead', z.at, shapeSize(z.shape), delta.at, predictions, loss, indices);
  },

  // Of output a and target t: log(1 + e^a) - t a.
  tfjs: (tf, _spec, z, targets) => ({
    scores: z,
    losses: tf.mean(tf.sub(tf.softplus(z), tf.mul(targets, z)), 1),
  }),
  onnxOutputs: ['probabilities', 'logits'],
  onnx(graph, _spec, z) {
    graph.output('probabilities', 'Sigmoid', [z]);
    graph.output('logits', 'Identity', [z]);
  },
  keras: (keras, _spec, z) => keras.add('probabilities', 'Activation', [z.name], { activation: 'sigmoid' }),
  graph(graph, _spec, z, targets) {
    graph.add('Sigmoid', [z], z.shape);
    const softplus = graph.add('loss/Softplus', [z], z.shape);
    const parts = graph.add('loss/Sub', [softplus, graph.add('loss/Mul', [targets, z], z.shape)], z.shape);
    const above = (name: string, value: GraphValue, limit: number): GraphValue =>
      graph.add(`${name}/Greater`, [value, graph.constant(`${name}/limit`, Float32Array.of(limit), [])], z.shape);
    const both = [above('accuracy/output', z, 0), above('accuracy/target', targets, 0.5)];
    const equal = graph.add('accuracy/Equal', both, z.shape, { T: { type: 'bool' } });
    const axis = graph.constant('accuracy/axis', Int32Array.of(1), [1]);
    const all = graph.add('accuracy/All', [equal, axis], [ANY], { Tidx: INT32, keep_dims: false });
    return { losses: rowMeans(graph, parts), right: graph.cast('accuracy/Cast', all, 'bool', 'float') };
  },
} satisfies Head<SigmoidHeadSpec>;

export const mse = {
  kind: 'mse',
  text: 'mean squared error',
  targetKind: 'numbers',
  hasAccuracy: false,
  maxLoss: () => MAX_DIFFERENCE ** 2,
  isDistance: false,
  fields: () => ({}),
  outputs: (_spec, last) => outputsOf('mse', last),
  emit(emit, _spec, z, delta) {
    const { loss, indices } = emit.block;
    emit.op('forward', 'mseHead', z.at, shapeSize(z.shape), delta.at, loss, indices);
  },

  tfjs: (tf, _spec, z, targets) => ({ scores: z, losses: tf.mean(tf.square(tf.sub(z, targets)), 1) }),
  onnxOutputs: ['values'],
  onnx: (graph, _spec, z) => graph.output('values', 'Identity', [z]),
  keras: (keras, _spec, z) => keras.add('values', 'Activation', [z.name], { activation: 'linear' }),
  graph: (graph, _spec, z, targets) => ({
    losses: rowMeans(graph, graph.add('loss/SquaredDifference', [z, targets], z.shape)),
  }),
} satisfies Head<MseHeadSpec>;

function rowMeans(graph: GraphEmitter, x: GraphValue): GraphValue {
  const axis = graph.constant('loss/axis', Int32Array.of(1), [1]);
  return graph.add('loss/Mean', [x, axis], [ANY], { Tidx: INT32, keep_dims: false });
}
