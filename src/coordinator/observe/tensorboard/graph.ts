import { ANY, type GraphValue } from '../../../shared/model/formats/graph.ts';
import { headOf, kindOf } from '../../../shared/model/kinds.ts';
import { type LayerLayout, partsOf } from '../../../shared/model/layers/layer.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import { shapeSize } from '../../../shared/model/shape.ts';
import { FLOAT, GraphBuilder, typeAttr } from './graph-builder.ts';
import { LayerNodes } from './layer-nodes.ts';
import type { GraphDef } from './messages.ts';

/**
 * The network as TensorFlow would write it, in the paper's form (convolve, sum 2x2, scale, add a bias), one scope for each layer. The
 * kernel fuses these operations; the results are the same.
 */
export function graphOf({ spec, layers }: ModelLayout): GraphDef {
  const graph = new GraphBuilder();
  const { image, labels } = inputOf(graph, spec.input);
  let x = image;
  for (const layer of layers) {
    const scope = layer.spec === spec.head ? layer.spec.name : layer.spec.name.toUpperCase();
    x = addLayer(graph, scope, layer, x);
  }
  lossOf(graph, x, labels, headOf(spec.head).rejection?.(spec.head));
  const head = spec.head.name;
  const probabilities = graph.add(`${head}/Softmax`, { op: 'Softmax', inputs: [x], shape: x.shape, attr: FLOAT });
  accuracyOf(graph, probabilities, labels);
  return graph.build();
}

function addLayer(graph: GraphBuilder, scope: string, layer: LayerLayout, x: GraphValue): GraphValue {
  const kind = kindOf(layer.spec);
  const variables = partsOf(layer, ({ part, shape }) => graph.variable(`${scope}/${part}`, shape));
  const input = kind.takesVectors && x.shape.length > 2 ? flat(graph, scope, x, shapeSize(layer.input)) : x;
  return kind.graph(new LayerNodes(graph, scope), layer, input, variables);
}

function flat(graph: GraphBuilder, scope: string, x: GraphValue, size: number): GraphValue {
  const shape = graph.constant(`${scope}/flat/shape`, Int32Array.of(ANY, size), [2]);
  const attr = { ...FLOAT, Tshape: typeAttr('int32') };
  return graph.add(`${scope}/flat/Reshape`, { op: 'Reshape', inputs: [x, shape], shape: [ANY, size], attr });
}

function inputOf(graph: GraphBuilder, { height, width, padding }: ModelLayout['spec']['input']) {
  const labels = graph.placeholder('labels', 'int32', [ANY]);
  const shape = [ANY, 1, height, width];
  const bytes = graph.placeholder('input/images', 'uint8', shape);
  const cast = { SrcT: typeAttr('uint8'), DstT: typeAttr('float') };
  const floats = graph.add('input/Cast', { op: 'Cast', inputs: [bytes], shape, attr: cast });
  const white = graph.constant('input/white', Float32Array.of(255), []);
  const scaled = graph.add('input/RealDiv', { op: 'RealDiv', inputs: [floats, white], shape, attr: FLOAT });
  const sides = Int32Array.of(0, 0, 0, 0, padding, padding, padding, padding);
  const paddings = graph.constant('input/paddings', sides, [4, 2]);
  const image = graph.add('input/Pad', {
    op: 'Pad',
    inputs: [scaled, paddings],
    shape: [ANY, 1, height + 2 * padding, width + 2 * padding],
    attr: { ...FLOAT, Tpaddings: typeAttr('int32') },
  });
  return { image, labels };
}

/** The mean loss over the batch. LeCun's loss y_D + log(e^-j + sum e^-y) is cross-entropy too, over the scores -y and one more, -j. */
function lossOf(graph: GraphBuilder, scores: GraphValue, labels: GraphValue, rejection: number | undefined): void {
  const op = 'SparseSoftmaxCrossEntropyWithLogits';
  const logits = rejection === undefined ? scores : withRejection(graph, scores, rejection);
  const attr = { ...FLOAT, Tlabels: typeAttr('int32') };
  // Its second output is the gradient.
  const losses = graph.add('loss/CrossEntropy', {
    op,
    inputs: [logits, labels],
    shape: [ANY],
    others: [logits.shape],
    attr,
  });
  meanOf(graph, 'loss', losses);
}

/** The scores with another column, -j: the score of what is no digit. */
function withRejection(graph: GraphBuilder, scores: GraphValue, rejection: number): GraphValue {
  const paddings = graph.constant('loss/rejection/paddings', Int32Array.of(0, 0, 0, 1), [2, 2]);
  const value = graph.constant('loss/rejection/minus_j', Float32Array.of(rejection), []);
  return graph.add('loss/rejection/PadV2', {
    op: 'PadV2',
    inputs: [scores, paddings, value],
    shape: [ANY, (scores.shape[1] as number) + 1],
    attr: { ...FLOAT, Tpaddings: typeAttr('int32') },
  });
}

function accuracyOf(graph: GraphBuilder, probabilities: GraphValue, labels: GraphValue): void {
  const axis = graph.constant('accuracy/axis', Int32Array.of(1), []);
  const guesses = graph.add('accuracy/ArgMax', {
    op: 'ArgMax',
    inputs: [probabilities, axis],
    shape: [ANY],
    attr: { ...FLOAT, Tidx: typeAttr('int32'), output_type: typeAttr('int32') },
  });
  const attr = { T: typeAttr('int32') };
  const hits = { op: 'Equal', inputs: [guesses, labels], shape: [ANY], attr };
  const cast = { SrcT: typeAttr('bool'), DstT: typeAttr('float') };
  const ones = { op: 'Cast', inputs: [graph.add('accuracy/Equal', hits)], shape: [ANY], attr: cast };
  meanOf(graph, 'accuracy', graph.add('accuracy/Cast', ones));
}

function meanOf(graph: GraphBuilder, scope: string, values: GraphValue): void {
  const axis = graph.constant(`${scope}/Mean/axis`, Int32Array.of(0), [1]);
  const attr = { ...FLOAT, Tidx: typeAttr('int32'), keep_dims: { b: false } };
  graph.add(`${scope}/Mean`, { op: 'Mean', inputs: [values, axis], shape: [], attr });
}
