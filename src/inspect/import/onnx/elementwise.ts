import type { ReadFields } from '../../../shared/model/layers/layer.ts';
import type { Value } from '../builder.ts';
import { layerName, type OnnxGraph, type OnnxNode } from './graph.ts';

/** A node that becomes a layer with fields from its attributes alone. */
export function plain(kind: string, read: ReadFields) {
  return (graph: OnnxGraph, node: OnnxNode): Value =>
    single(
      graph,
      node,
      kind,
      read((name, otherwise) => graph.float(node, name, otherwise)),
    );
}

export function dropout(graph: OnnxGraph, node: OnnxNode): Value {
  const [ratio = 0.5] = graph.constant(node, 1)?.values().subarray(0, 1) ?? [];
  return single(graph, node, 'dropout', { rate: Number(ratio.toPrecision(7)) });
}

/** The head has it. */
export function softmax(graph: OnnxGraph, node: OnnxNode): Value {
  const axis = graph.integer(node, 'axis', -1);
  const x = graph.value(node);
  if (!x.isFlat || (axis !== 1 && axis !== -1)) throw graph.fail(node, 'only a softmax over all of a vector is known.');
  return { ...x, isSoftmax: true };
}

export function concat(graph: OnnxGraph, node: OnnxNode): Value | undefined {
  const values = node.inputs.map((_, place) => graph.value(node, place));
  const isFlat = values.every((value) => value.isFlat === true);
  const axis = graph.integer(node, 'axis', 1);
  if (axis !== 1 && !(axis === -3 && !isFlat) && !(axis === -1 && isFlat))
    throw graph.fail(node, `it joins along axis ${axis}; only maps (axis 1) can be joined.`);
  if (values.length === 1) return values[0];
  return { ...graph.builder.add(node, 'concat', {}, values, {}, layerName(node)), isFlat };
}

function single(graph: OnnxGraph, node: OnnxNode, kind: string, fields: Readonly<Record<string, unknown>>): Value {
  const x = graph.value(node);
  return { ...graph.builder.add(node, kind, fields, [x], {}, layerName(node)), isFlat: x.isFlat === true };
}
