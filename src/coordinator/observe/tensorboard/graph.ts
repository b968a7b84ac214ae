import { ANY, type GraphValue, INT32 } from '../../../shared/model/formats/graph.ts';
import { headOf, kindOf } from '../../../shared/model/kinds.ts';
import { type LayerLayout, partsOf } from '../../../shared/model/layers/layer.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import { shapeSize } from '../../../shared/model/shape.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { GraphDef } from './messages.ts';

/**
 * The network as TensorFlow would write it, in the paper's form (convolve, sum 2x2, scale, add a bias), one scope for each layer. The
 * kernel fuses these operations; the results are the same.
 */
export function graphOf({ spec, layers }: ModelLayout): GraphDef {
  const graph = new GraphBuilder();
  const { image, labels } = addInput(graph, spec.input);
  const scopeOf = ({ spec: own }: LayerLayout): string => (own === spec.head ? own.name : own.name.toUpperCase());
  const scores = layers.reduce((x, layer) => addLayer(graph.within(scopeOf(layer)), layer, x), image);
  addLoss(graph.within('loss'), scores, labels, headOf(spec.head).rejection?.(spec.head));
  const probabilities = graph.add(`${spec.head.name}/Softmax`, [scores], scores.shape);
  addAccuracy(graph.within('accuracy'), probabilities, labels);
  return graph.build();
}

function addInput(graph: GraphBuilder, { height, width, padding }: ModelLayout['spec']['input']) {
  const labels = graph.placeholder('labels', 'int32', [ANY]);
  const input = graph.within('input');
  const bytes = input.placeholder('images', 'uint8', [ANY, 1, height, width]);
  const floats = input.cast('Cast', bytes, 'uint8', 'float');
  const white = input.constant('white', Float32Array.of(255), []);
  const scaled = input.add('RealDiv', [floats, white], bytes.shape);
  const sides = Int32Array.of(0, 0, 0, 0, padding, padding, padding, padding);
  const paddings = input.constant('paddings', sides, [4, 2]);
  const padded = [ANY, 1, height + 2 * padding, width + 2 * padding];
  return { image: input.add('Pad', [scaled, paddings], padded, { Tpaddings: INT32 }), labels };
}

function addLayer(graph: GraphBuilder, layer: LayerLayout, x: GraphValue): GraphValue {
  const kind = kindOf(layer.spec);
  const variables = partsOf(layer, ({ part, shape }) => graph.variable(part, shape));
  const input = kind.takesVectors && x.shape.length > 2 ? flat(graph, x, shapeSize(layer.input)) : x;
  return kind.graph(graph, layer, input, variables);
}

function flat(graph: GraphBuilder, x: GraphValue, size: number): GraphValue {
  const shape = graph.constant('flat/shape', Int32Array.of(ANY, size), [2]);
  return graph.add('flat/Reshape', [x, shape], [ANY, size], { Tshape: INT32 });
}

/** The mean loss over the batch. LeCun's loss y_D + log(e^-j + sum e^-y) is cross-entropy too, over the scores -y and one more, -j. */
function addLoss(graph: GraphBuilder, scores: GraphValue, labels: GraphValue, rejection: number | undefined): void {
  const logits = rejection === undefined ? scores : withRejection(graph, scores, rejection);
  const attributes = { Tlabels: INT32 };
  // Its second output is the gradient.
  const options = { op: 'SparseSoftmaxCrossEntropyWithLogits', others: [logits.shape] };
  addMean(graph, graph.add('CrossEntropy', [logits, labels], [ANY], attributes, options));
}

/** The scores with another column: the score of what is no digit, -j. */
function withRejection(graph: GraphBuilder, scores: GraphValue, rejection: number): GraphValue {
  const paddings = graph.constant('rejection/paddings', Int32Array.of(0, 0, 0, 1), [2, 2]);
  const value = graph.constant('rejection/minus_j', Float32Array.of(rejection), []);
  const shape = [ANY, (scores.shape[1] as number) + 1];
  return graph.add('rejection/PadV2', [scores, paddings, value], shape, { Tpaddings: INT32 });
}

function addAccuracy(graph: GraphBuilder, probabilities: GraphValue, labels: GraphValue): void {
  const axis = graph.constant('axis', Int32Array.of(1), []);
  const guesses = graph.add('ArgMax', [probabilities, axis], [ANY], { Tidx: INT32, output_type: INT32 });
  const hits = graph.add('Equal', [guesses, labels], [ANY], { T: INT32 });
  addMean(graph, graph.cast('Cast', hits, 'bool', 'float'));
}

function addMean(graph: GraphBuilder, values: GraphValue): void {
  const axis = graph.constant('Mean/axis', Int32Array.of(0), [1]);
  graph.add('Mean', [values, axis], [], { Tidx: INT32, keep_dims: false });
}
