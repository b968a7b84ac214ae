import { isVector, type Shape } from '../../../shared/model/shape.ts';
import { type LazyTensor, reshaped, sizeOf } from '../arrays.ts';
import type { Value } from '../builder.ts';
import { layerName, type OnnxGraph, type OnnxNode } from './graph.ts';

/** Its statistics are the running ones, in training mode too: what training uses is this project's own. */
export function batchNorm(graph: OnnxGraph, node: OnnxNode): Value {
  const [weight, bias, running_mean, running_var] = [1, 2, 3, 4].map((place) => graph.tensor(node, place));
  const fields = {
    epsilon: graph.float(node, 'epsilon', 1e-5),
    // ONNX: the share of the old statistics.
    momentum: Number((1 - graph.float(node, 'momentum', 0.9)).toPrecision(7)),
  };
  return norm(graph, node, 'batch-norm', fields, { weight, bias, running_mean, running_var });
}

export function groupNorm(graph: OnnxGraph, node: OnnxNode): Value {
  const fields = { groups: graph.integer(node, 'num_groups', 1), epsilon: graph.float(node, 'epsilon', 1e-5) };
  return norm(graph, node, 'group-norm', fields, { weight: graph.tensor(node, 1), bias: graph.tensor(node, 2) });
}

export function instanceNorm(graph: OnnxGraph, node: OnnxNode): Value {
  const { maps } = graph.value(node).shape;
  const fields = { groups: maps, epsilon: graph.float(node, 'epsilon', 1e-5) };
  return norm(graph, node, 'group-norm', fields, { weight: graph.tensor(node, 1), bias: graph.tensor(node, 2) });
}

export function layerNorm(graph: OnnxGraph, node: OnnxNode): Value {
  const x = graph.value(node);
  const axis = graph.integer(node, 'axis', -1);
  const rank = x.isFlat ? 2 : 4;
  if ((axis < 0 ? axis + rank : axis) !== 1)
    throw graph.fail(node, 'only a norm over all values of a sample (axis 1) is known.');
  const shaped = (tensor: LazyTensor | undefined) => tensor && shapedAs(tensor, x.shape);
  const weights = { weight: shaped(graph.tensor(node, 1)), bias: shaped(graph.constant(node, 2)) };
  return norm(graph, node, 'layer-norm', { epsilon: graph.float(node, 'epsilon', 1e-5) }, weights);
}

function norm(
  graph: OnnxGraph,
  node: OnnxNode,
  kind: string,
  fields: Readonly<Record<string, unknown>>,
  weights: Readonly<Record<string, LazyTensor | undefined>>,
): Value {
  const x = graph.value(node);
  const name = layerName(node, graph.tensor(node, 1));
  return { ...graph.builder.add(node, kind, fields, [x], weights, name), isFlat: x.isFlat === true };
}

/** A vector's norms have one axis, also where the file gives 1x1 maps. */
function shapedAs(tensor: LazyTensor, shape: Shape): LazyTensor {
  return isVector(shape) && sizeOf(tensor.shape) === shape.maps ? reshaped(tensor, [shape.maps]) : tensor;
}
