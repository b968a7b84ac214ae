import type { Pair, Shape } from '../../../shared/model/shape.ts';
import type { Value } from '../builder.ts';
import { layerName, type OnnxGraph, type OnnxNode } from './graph.ts';

type Sides = readonly [top: number, left: number, bottom: number, right: number];

const NO_SIDES: Sides = [0, 0, 0, 0];

export function conv(graph: OnnxGraph, node: OnnxNode): Value {
  const x = graph.value(node);
  const weight = graph.tensor(node, 1);
  const bias = graph.constant(node, 2);
  if (weight.shape.length !== 4) throw graph.fail(node, 'only convolutions in two dimensions are known.');
  expectNoDilation(graph, node);
  const [maps, , ...kernel] = weight.shape;
  const fields = {
    maps,
    kernel,
    stride: pairOf(graph, node, 'strides') ?? [1, 1],
    padding: paddingOf(graph, node),
    groups: graph.integer(node, 'group', 1),
    bias: bias !== undefined,
  };
  return graph.builder.add(node, 'conv', fields, [x], { weight, bias }, layerName(node, weight));
}

export function maxPool(graph: OnnxGraph, node: OnnxNode): Value {
  expectNoDilation(graph, node);
  graph.expect(node, 'storage_order', 0);
  return pool(graph, node, 'max-pool', graph.value(node), paddingOf(graph, node));
}

export function averagePool(graph: OnnxGraph, node: OnnxNode): Value {
  expectNoDilation(graph, node);
  const padding = paddingOf(graph, node);
  const isCounted = graph.integer(node, 'count_include_pad', 0) === 1;
  const isPadded = padding === 'same' || (padding !== 'valid' && padding.some((side) => side > 0));
  if (!isCounted || !isPadded) return pool(graph, node, 'average-pool', graph.value(node), padding);
  if (padding === 'same') throw graph.fail(node, 'auto_pad and count_include_pad together are not known.');
  const name = layerName(node);
  const padded = graph.builder.add(node, 'zero-pad', { padding }, [graph.value(node)], {}, `${name}_pad`);
  return pool(graph, node, 'average-pool', padded, 'valid');
}

export function globalAveragePool(graph: OnnxGraph, node: OnnxNode): Value {
  return graph.builder.add(node, 'global-average-pool', {}, [graph.value(node)], {}, layerName(node));
}

/** A mean over rows and columns. */
export function reduceMean(graph: OnnxGraph, node: OnnxNode): Value {
  const axes = graph.isConstant(node, 1) ? graph.tensor(node, 1).integers() : graph.integers(node, 'axes');
  const sorted = axes?.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b);
  if (sorted?.join() !== '2,3') throw graph.fail(node, 'only means over rows and columns (axes 2 and 3) are known.');
  return { ...globalAveragePool(graph, node), isFlat: graph.integer(node, 'keepdims', 1) === 0 };
}

export function pad(graph: OnnxGraph, node: OnnxNode): Value {
  const x = graph.value(node);
  const mode = graph.text(node, 'mode', 'constant');
  if (mode !== 'constant') throw graph.fail(node, 'only zeros are known as padding.');
  const fill = graph.constant(node, 2);
  if (fill?.values().some((value) => value !== 0)) throw graph.fail(node, 'only zeros are known as padding.');
  const sides = graph.tensor(node, 1).integers();
  const axes = (graph.constant(node, 3)?.integers() ?? [0, 1, 2, 3]).map((axis) => (axis < 0 ? axis + 4 : axis));
  const at = (axis: number, end: 0 | 1): number => {
    const place = axes.indexOf(axis);
    return place === -1 ? 0 : (sides[place + end * axes.length] ?? 0);
  };
  if ([0, 1].some((axis) => at(axis, 0) !== 0 || at(axis, 1) !== 0))
    throw graph.fail(node, 'only rows and columns can be padded.');
  const padding = [at(2, 0), at(3, 0), at(2, 1), at(3, 1)];
  if (padding.every((side) => side === 0)) return x;
  return graph.builder.add(node, 'zero-pad', { padding }, [x], {}, layerName(node));
}

function pool(graph: OnnxGraph, node: OnnxNode, kind: string, x: Value, padding: Sides | 'same' | 'valid'): Value {
  const size = pairOf(graph, node, 'kernel_shape');
  if (size === undefined) throw graph.fail(node, 'it has no kernel_shape.');
  const stride = pairOf(graph, node, 'strides') ?? [1, 1];
  const isUp = graph.integer(node, 'ceil_mode', 0) === 1 && padding !== 'same';
  const sides = isUp ? roundedUp(x.shape, size, stride, padding === 'valid' ? NO_SIDES : padding) : padding;
  return graph.builder.add(node, kind, { size, stride, padding: sides }, [x], {}, layerName(node));
}

/** With ceil_mode a last window may hang over the end, as long as it begins before it. */
function roundedUp({ height, width }: Shape, size: Pair, stride: Pair, [top, left, bottom, right]: Sides): Sides {
  const more = (axis: 0 | 1, side: number, before: number, after: number): number => {
    const over = (side + before + after - size[axis]) % stride[axis];
    const missing = over === 0 ? 0 : stride[axis] - over;
    const begins = side + before + after + missing - size[axis];
    return begins < side + before ? after + missing : after;
  };
  return [top, left, more(0, height, top, bottom), more(1, width, left, right)];
}

function paddingOf(graph: OnnxGraph, node: OnnxNode): Sides | 'same' | 'valid' {
  const mode = graph.text(node, 'auto_pad', 'NOTSET');
  if (mode === 'SAME_UPPER') return 'same';
  if (mode === 'VALID') return 'valid';
  if (mode !== 'NOTSET') throw graph.fail(node, 'its auto_pad is none of NOTSET, VALID and SAME_UPPER.');
  const pads = graph.integers(node, 'pads') ?? NO_SIDES;
  if (pads.length !== 4) throw graph.fail(node, `it has ${pads.length} pads; 4 are read.`);
  return pads.every((side) => side === 0) ? 'valid' : (pads as unknown as Sides);
}

function pairOf(graph: OnnxGraph, node: OnnxNode, name: string): Pair | undefined {
  const list = graph.integers(node, name);
  if (list === undefined || list.length === 2) return list as Pair | undefined;
  throw graph.fail(node, `its ${name} has ${list.length} numbers; only two dimensions are known.`);
}

function expectNoDilation(graph: OnnxGraph, node: OnnxNode): void {
  if (graph.integers(node, 'dilations')?.some((dilation) => dilation !== 1))
    throw graph.fail(node, 'dilations other than 1 are not known.');
}
