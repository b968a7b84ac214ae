import { isVector, type Shape, shapeSize } from '../../../shared/model/shape.ts';
import type { Value } from '../builder.ts';
import type { OnnxGraph, OnnxNode, StartedNorm } from './graph.ts';
import { startedNorm } from './group-norm.ts';

/** The number of samples where a shape is computed. `Reshape` takes it for "as it is", which is what such nodes want. */
const SAMPLES = 0;

export function identity(graph: OnnxGraph, node: OnnxNode): Value {
  return graph.value(node);
}

export function flatten(graph: OnnxGraph, node: OnnxNode): Value {
  graph.expect(node, 'axis', 1);
  return graph.builder.flat(graph.value(node));
}

export function reshape(graph: OnnxGraph, node: OnnxNode): Value | StartedNorm {
  const target = graph.tensor(node, 1).integers();
  if (target.includes(0)) graph.expect(node, 'allowzero', 0);
  const x = graph.value(node);
  const [, ...sides] = target.map((side, axis) => (side === SAMPLES && axis > 0 ? sidesOf(x)[axis - 1] : side));
  const size = shapeSize(x.shape);
  if (target.length === 2 && [-1, size].includes(sides[0] as number)) return graph.builder.flat(x);
  if (target.length === 4 && isShape(sides as number[], x.shape)) return { ...x, isFlat: false };
  const norm = startedNorm(x, [SAMPLES, ...(sides as number[])]);
  if (norm !== undefined) return norm;
  throw graph.fail(node, `it makes ${target.join('x')} of a sample; only vectors can be made of it.`);
}

/** Such as after a global average pooling: 1x1 maps are a vector. */
export function squeeze(graph: OnnxGraph, node: OnnxNode): Value {
  const x = graph.value(node);
  const axes = graph.constant(node, 1)?.integers() ?? graph.integers(node, 'axes') ?? [];
  const sorted = axes.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b);
  if (isVector(x.shape) && sorted.join() === '2,3') return graph.builder.flat(x);
  throw graph.fail(node, 'only 1x1 maps can lose their rows and columns (axes 2 and 3).');
}

/** The shape of a value, as a constant. */
export function shapeNode(graph: OnnxGraph, node: OnnxNode): undefined {
  const shape = [SAMPLES, ...sidesOf(graph.value(node))];
  const end = graph.integer(node, 'end', shape.length);
  graph.setIntegers(node.outputs[0] ?? '', shape.slice(graph.integer(node, 'start', 0), end));
  return undefined;
}

function sidesOf(x: Value): number[] {
  const { maps, height, width } = x.shape;
  return x.isFlat ? [shapeSize(x.shape)] : [maps, height, width];
}

/** At most one side may be left open. */
function isShape(sides: readonly number[], { maps, height, width }: Shape): boolean {
  const open = sides.filter((side) => side === -1).length;
  return open <= 1 && [maps, height, width].every((side, axis) => sides[axis] === side || sides[axis] === -1);
}
