// A group norm in files of operators without one: Reshape to one map a group, InstanceNormalization, Reshape back, then a factor
// and an offset for each map, by Mul and Add in PyTorch's files, and by a convolution in this project's.
import { isVector, shapeSize } from '../../../shared/model/shape.ts';
import { reshaped, sizeOf } from '../arrays.ts';
import type { Value, Weights } from '../builder.ts';
import { layerName, type OnnxGraph, type OnnxNode, type StartedNorm } from './graph.ts';
import type { OnnxTensor } from './tensors.ts';

/** @param target what a Reshape makes of the samples. @returns undefined if that is no beginning of a norm */
export function startedNorm(x: Value, target: readonly number[]): StartedNorm | undefined {
  const [, groups = 0, rest, ...others] = target;
  const size = shapeSize(x.shape) / groups;
  if (x.isFlat || groups < 1 || !Number.isInteger(size) || others.length > 0) return undefined;
  return rest === -1 || rest === size ? { x, groups } : undefined;
}

/** Reads a node behind a norm's beginning. @returns the norm's output at its end */
export function continueNorm(graph: OnnxGraph, node: OnnxNode, norm: StartedNorm): Value | StartedNorm {
  if (node.kind === 'InstanceNormalization' && norm.epsilon === undefined) {
    const [scale, bias] = [graph.tensor(node, 1), graph.tensor(node, 2)];
    if (isFilled(scale, norm.groups, 1) && isFilled(bias, norm.groups, 0))
      return { ...norm, epsilon: graph.float(node, 'epsilon', 1e-5) };
  } else if (node.kind === 'Reshape' && norm.epsilon !== undefined && !norm.isRestored) {
    const { maps, height, width } = norm.x.shape;
    const [, ...sides] = graph.tensor(node, 1).integers();
    if (sides.length === 3 && [maps, height, width].every((side, i) => sides[i] === side || sides[i] === -1))
      return { ...norm, isRestored: true };
  } else if (node.kind === 'Mul' && norm.isRestored && norm.weight === undefined) {
    return { ...norm, weight: perMap(graph, node, norm) };
  } else if (node.kind === 'Conv' && norm.isRestored && isPerMap(graph, node, norm)) {
    const [weight, bias] = [graph.tensor(node, 1), graph.tensor(node, 2)];
    const vectors = { weight: reshaped(weight, [sizeOf(weight.shape)]), bias };
    return ended(graph, node, norm, vectors, layerName(node, weight));
  } else if (node.kind === 'Add' && norm.weight !== undefined) {
    const { weight } = norm;
    return ended(graph, node, norm, { weight, bias: perMap(graph, node, norm) }, layerName(node, weight));
  }
  throw graph.fail(node, 'it reads a part of a group norm, but continues it in no known way.');
}

function ended(graph: OnnxGraph, node: OnnxNode, norm: StartedNorm, weights: Weights, name: string): Value {
  const fields = { groups: norm.groups, epsilon: norm.epsilon };
  return graph.builder.add(node, 'group-norm', fields, [norm.x], weights, name);
}

function isPerMap(graph: OnnxGraph, node: OnnxNode, { x }: StartedNorm): boolean {
  const { maps } = x.shape;
  const isPadded = graph.integers(node, 'pads')?.some((side) => side !== 0) ?? false;
  const isStrided = graph.integers(node, 'strides')?.some((stride) => stride !== 1) ?? false;
  const isSingle = graph.tensor(node, 1).shape.join() === [maps, 1, 1, 1].join();
  return isSingle && graph.integer(node, 'group', 1) === maps && !isPadded && !isStrided;
}

/** The constant operand, a number for each map. */
function perMap(graph: OnnxGraph, node: OnnxNode, { x }: StartedNorm): OnnxTensor {
  const tensor = graph.tensor(node, graph.isConstant(node, 0) ? 0 : 1);
  const sides = isVector(x.shape) ? tensor.shape : tensor.shape.slice(-3);
  const { maps } = x.shape;
  if (sizeOf(tensor.shape) === maps && (maps === 1 || sides[0] === maps))
    return { ...tensor, ...reshaped(tensor, [maps]) };
  throw graph.fail(
    node,
    `its constant has the shape ${tensor.shape.join('x')}; a number for each of ${maps} maps is known.`,
  );
}

function isFilled(tensor: OnnxTensor, size: number, value: number): boolean {
  return sizeOf(tensor.shape) === size && tensor.values().every((each) => each === value);
}
