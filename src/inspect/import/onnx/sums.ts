import { shapeSize } from '../../../shared/model/shape.ts';
import { reshaped, sizeOf, transposed } from '../arrays.ts';
import type { Value } from '../builder.ts';
import { layerName, type OnnxGraph, type OnnxNode, shortest } from './graph.ts';
import type { OnnxTensor } from './tensors.ts';

export function gemm(graph: OnnxGraph, node: OnnxNode): Value {
  for (const name of ['alpha', 'beta'] as const) {
    const factor = graph.float(node, name, 1);
    if (factor !== 1) throw graph.fail(node, `its ${name} is ${factor}; 1 is read.`);
  }
  graph.expect(node, 'transA', 0);
  const isTransposed = graph.integer(node, 'transB', 0) === 1;
  return dense(graph, node, isTransposed, graph.constant(node, 2));
}

export function matMul(graph: OnnxGraph, node: OnnxNode): Value {
  const value = dense(graph, node, false, undefined);
  // The sum with a bias may follow.
  if (graph.isReadOnce(node.outputs[0] ?? '')) graph.biasable.add(value.layer);
  return value;
}

function dense(graph: OnnxGraph, node: OnnxNode, isTransposed: boolean, bias: OnnxTensor | undefined): Value {
  const x = vectorOf(graph, node);
  const weight = graph.tensor(node, 1);
  if (weight.shape.length !== 2) throw graph.fail(node, 'only products with matrices of constants are known.');
  const units = weight.shape[isTransposed ? 0 : 1] as number;
  const biased = bias && reshaped(bias, sizeOf(bias.shape) === units ? [units] : bias.shape);
  const weights = { weight: isTransposed ? weight : transposed(weight, [1, 0]), bias: biased };
  const fields = { units, bias: bias !== undefined };
  return { ...graph.builder.add(node, 'dense', fields, [x], weights, layerName(node, weight)), isFlat: true };
}

/** @throws ModelError if the file multiplies rows of a stack, not a vector */
function vectorOf(graph: OnnxGraph, node: OnnxNode): Value {
  const x = graph.value(node);
  if (x.isFlat) return x;
  throw graph.fail(node, 'it multiplies rows of maps; only products of vectors are known.');
}

export function add(graph: OnnxGraph, node: OnnxNode): Value {
  const [x, constant] = operandsOf(graph, node);
  if (constant === undefined) {
    const values = node.inputs.map((_, place) => graph.value(node, place));
    return { ...graph.builder.add(node, 'add', {}, values, {}, layerName(node)), isFlat: values[0]?.isFlat === true };
  }
  const size = sizeOf(constant.shape);
  if (x.isFlat && graph.biasable.has(x.layer) && size === shapeSize(x.shape) && constant.shape.at(-1) === size) {
    graph.builder.addBias(x, reshaped(constant, [size]));
    graph.biasable.delete(x.layer);
    return x;
  }
  return rescale(graph, node, x, 1, scalar(graph, node, constant));
}

export function subtract(graph: OnnxGraph, node: OnnxNode): Value {
  const [x, constant] = operandsOf(graph, node);
  if (constant === undefined) throw graph.fail(node, 'only the difference from a constant is known.');
  const number = scalar(graph, node, constant);
  return graph.isConstant(node, 0) ? rescale(graph, node, x, -1, number) : rescale(graph, node, x, 1, -number);
}

export function multiply(graph: OnnxGraph, node: OnnxNode): Value {
  const [x, constant] = operandsOf(graph, node);
  if (constant === undefined) throw graph.fail(node, 'only the product with a constant is known.');
  return rescale(graph, node, x, scalar(graph, node, constant), 0);
}

export function divide(graph: OnnxGraph, node: OnnxNode): Value {
  const divisor = scalar(graph, node, graph.tensor(node, 1));
  return rescale(graph, node, graph.value(node), 1 / divisor, 0);
}

function rescale(graph: OnnxGraph, node: OnnxNode, x: Value, scale: number, offset: number): Value {
  const value = graph.builder.rescale({ ...node, name: layerName(node) || node.kind }, x, scale, offset);
  return { ...value, isFlat: x.isFlat === true };
}

/** The values that flow, and the constant beside them if there is one. */
function operandsOf(graph: OnnxGraph, node: OnnxNode): readonly [Value, OnnxTensor | undefined] {
  if (graph.isConstant(node, 0)) return [graph.value(node, 1), graph.tensor(node, 0)];
  return [graph.value(node, 0), graph.isConstant(node, 1) ? graph.tensor(node, 1) : undefined];
}

function scalar(graph: OnnxGraph, node: OnnxNode, constant: OnnxTensor): number {
  if (sizeOf(constant.shape) === 1) return shortest(constant.values()[0] as number);
  const shape = constant.shape.join('x');
  throw graph.fail(node, `its constant of the shape ${shape} is neither one number nor the bias of a product.`);
}
