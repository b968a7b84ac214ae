import { ANY, batchOf, type GraphValue, INT32, reshaped } from '../../../shared/model/formats/graph.ts';
import { headOf, kindOf } from '../../../shared/model/kinds.ts';
import { partsOf } from '../../../shared/model/layers/placed-layer.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import { isVector, type Shape, shapeSize } from '../../../shared/model/shape.ts';
import { GraphBuilder } from './graph-builder.ts';
import type { GraphDef } from './messages.ts';

/** The network as TensorFlow would write it, one scope for each layer. The kernel fuses some; the results are the same. */
export function graphOf(layout: ModelLayout): GraphDef {
  const { spec, input, classes } = layout;
  const graph = new GraphBuilder();
  const head = headOf(spec.head);
  const targets =
    head.targetKind === 'class'
      ? graph.placeholder('labels', 'int32', [ANY])
      : graph.placeholder('targets', 'float', [ANY, classes]);
  const last = addLayers(graph, layout, addInput(graph.within('input'), input));
  const { losses, right } = head.graph(graph.within('head'), spec.head, last, targets);
  addMean(graph.within('loss'), losses);
  if (right !== undefined) addMean(graph.within('accuracy'), right);
  return graph.build();
}

/** Bytes, scaled to 0..1. */
function addInput(graph: GraphBuilder, shape: Shape): GraphValue {
  const bytes = graph.placeholder('samples', 'uint8', batchOf(shape));
  const floats = graph.cast('Cast', bytes, 'uint8', 'float');
  const white = graph.constant('white', Float32Array.of(255), []);
  return graph.add('RealDiv', [floats, white], bytes.shape);
}

function addLayers(graph: GraphBuilder, { layers }: ModelLayout, input: GraphValue): GraphValue {
  const outputs: GraphValue[] = [];
  for (const layer of layers) {
    const kind = kindOf(layer.spec);
    const own = graph.within(layer.spec.name);
    const variables = partsOf(layer, ({ part, shape }) => own.variable(part, shape));
    const x = layer.sources.map((source, i) => {
      const value = source === -1 ? input : (outputs[source] as GraphValue);
      return taken(own, kind.takes, value, layer.inputs[i] as Shape);
    });
    const y = kind.graph(own, layer, x, variables);
    const isFlat = y.shape.length === 2 || !isVector(layer.output);
    outputs.push(isFlat ? y : reshaped(own, 'flat', y, batchOf(layer.output)));
  }
  return outputs.at(-1) as GraphValue;
}

function taken(graph: GraphBuilder, takes: 'stacks' | 'vectors' | undefined, x: GraphValue, shape: Shape): GraphValue {
  const rank = x.shape.length;
  if (takes === 'vectors' && rank > 2) return reshaped(graph, 'flat', x, [ANY, shapeSize(shape)]);
  return takes === 'stacks' && rank === 2 ? reshaped(graph, 'stack', x, [ANY, shape.maps, 1, 1]) : x;
}

function addMean(graph: GraphBuilder, values: GraphValue): void {
  const axis = graph.constant('axis', Int32Array.of(0), [1]);
  graph.add('Mean', [values, axis], [], { Tidx: INT32, keep_dims: false });
}
