import { ModelError } from '../../util/errors.ts';
import { ANY, type GraphEmitter, type GraphValue, INT32, scaled } from '../formats/graph.ts';
import { shapeSize } from '../shape.ts';
import { crossEntropy, rightGuesses, rowSums } from './class-graph.ts';
import type { Head, HeadSpec } from './head.ts';
import { MAX_DIFFERENCE, outputsOf } from './outputs.ts';

/** Classes by softmax, with cross-entropy loss. */
export interface SoftmaxHeadSpec extends HeadSpec {
  readonly kind: 'softmax';
  /** The share of each target that is spread evenly over all classes. */
  readonly labelSmoothing?: number | undefined;
  /** [classes]: factors of the samples' losses by their class. */
  readonly classWeights?: readonly number[] | undefined;
}

export const softmax = {
  kind: 'softmax',
  text: 'softmax',
  targetKind: 'class',
  hasAccuracy: true,
  takesLoss: true,
  maxLoss: ({ classWeights = [1] }) => MAX_DIFFERENCE * Math.max(1, ...classWeights),
  isDistance: false,

  fields: (zod) => ({
    labelSmoothing: zod
      .number()
      .min(0)
      .max(0.999)
      .optional()
      .describe('the share of a target that goes to all classes'),
    classWeights: zod
      .array(zod.number().min(0).max(1e6))
      .optional()
      .describe("factors of the losses, by the sample's class"),
  }),
  outputs({ classWeights }, last) {
    const classes = outputsOf('softmax', last);
    if (classWeights === undefined || classWeights.length === classes) return classes;
    throw new ModelError(`softmax: classWeights has ${classWeights.length} factors for ${classes} classes.`);
  },
  emit(emit, spec, z, delta, loss) {
    const { labels, predictions, loss: sum } = emit.block;
    const common = [z.at, labels, shapeSize(z.shape), delta.at, predictions, sum];
    const { labelSmoothing, classWeights } = loss ?? spec;
    if (labelSmoothing === undefined && classWeights === undefined) {
      emit.op('forward', 'softmaxHead', ...common);
      return;
    }
    const table = loss === undefined ? 'classWeights' : 'trainingWeights';
    const factors = classWeights === undefined ? 0 : emit.floats(table, classWeights);
    // A spec's weights are those of samples, by their classes; a training loss has its own for each term, which also counts in smoothing.
    const operation = loss?.classWeights === undefined ? 'smoothedSoftmaxHead' : 'weightedSoftmaxHead';
    emit.op('forward', operation, ...common, labelSmoothing ?? 0, factors);
  },

  tfjs(tf, spec, z, targets, loss) {
    const [count = 0, classes = 0] = z.shape;
    const { labelSmoothing = 0, classWeights } = loss ?? spec;
    let aims = tf.add(tf.mul(targets, 1 - labelSmoothing), labelSmoothing / classes);
    if (loss?.classWeights !== undefined)
      aims = tf.mul(aims, tf.tensor(Float32Array.from(loss.classWeights), [1, classes]));
    const losses = tf.neg(tf.sum(tf.mul(tf.logSoftmax(z), aims), 1));
    if (classWeights === undefined || loss !== undefined) return { scores: z, losses };
    const factors = tf.matMul(targets, tf.tensor(Float32Array.from(classWeights), [classes, 1]), false, false);
    return { scores: z, losses: tf.mul(losses, tf.reshape(factors, [count])) };
  },
  onnxOutputs: ['probabilities', 'logits'],
  onnx(graph, _spec, z) {
    graph.output('probabilities', 'Softmax', [z], { axis: 1 });
    graph.output('logits', 'Identity', [z]);
  },
  keras: (keras, _spec, z) => keras.add('probabilities', 'Activation', [z.name], { activation: 'softmax' }),
  graph(graph, spec, z, labels) {
    graph.add('Softmax', [z], z.shape);
    return { losses: graphLosses(graph, spec, z, labels), right: rightGuesses(graph, z, labels) };
  },
} satisfies Head<SoftmaxHeadSpec>;

function graphLosses(
  graph: GraphEmitter,
  { labelSmoothing, classWeights }: SoftmaxHeadSpec,
  z: GraphValue,
  labels: GraphValue,
): GraphValue {
  let losses = crossEntropy(graph, z, labels);
  if (labelSmoothing !== undefined) {
    // What goes to all classes: the mean of their logarithms.
    const logarithms = graph.add('smoothing/LogSoftmax', [z], z.shape);
    const even = scaled(
      graph,
      'smoothing/share',
      rowSums(graph, 'smoothing', logarithms),
      -labelSmoothing / (z.shape[1] as number),
    );
    losses = graph.add('smoothing/AddV2', [scaled(graph, 'smoothing/rest', losses, 1 - labelSmoothing), even], [ANY]);
  }
  if (classWeights === undefined) return losses;
  const all = graph.constant('weights/classes', Float32Array.from(classWeights), [classWeights.length]);
  const axis = graph.constant('weights/axis', Int32Array.of(0), []);
  const types = { Tparams: { type: 'float' }, Tindices: INT32, Taxis: INT32 } as const;
  return graph.add('weights/Mul', [losses, graph.add('weights/GatherV2', [all, labels, axis], [ANY], types)], [ANY]);
}
