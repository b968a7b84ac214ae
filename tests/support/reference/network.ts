import { at } from './arrays.ts';
import { kindOf } from './layers/kinds.ts';
import { sizeOf } from './layers/layer.ts';
import type { LayerSpec, NetworkSpec, Shape } from './spec.ts';

export const INPUT = 'input';

/** A layer with the shapes around it. */
export interface Node {
  readonly spec: LayerSpec;
  readonly place: number;
  readonly inputShapes: readonly Shape[];
  readonly outputShape: Shape;
  readonly tensors: readonly Tensor[];
}

export interface Tensor {
  readonly name: string;
  readonly part: string;
  readonly shape: readonly number[];
  readonly size: number;
  /** A sum over samples rather than a parameter. */
  readonly state: boolean;
}

export function nodesOf(network: NetworkSpec): Node[] {
  const shapes = new Map<string, Shape>([[INPUT, network.input]]);
  return network.layers.map((spec, place) => {
    const inputShapes = spec.inputs.map((name) => found(shapes, name));
    const kind = kindOf(spec);
    const outputShape = kind.shape(spec, inputShapes);
    shapes.set(spec.name, outputShape);
    const tensors = (kind.tensors?.(spec, inputShapes) ?? []).map(({ part, shape, state = false }) => {
      const size = shape.reduce((product, side) => product * side, 1);
      return { name: `${spec.name}.${part}`, part, shape, size, state };
    });
    return { spec, place, inputShapes, outputShape, tensors };
  });
}

/** All tensors but those of frozen layers, in flat order: those of the layers in order, then their states in the same order. */
export function tensorsOf(network: NetworkSpec, frozen: readonly string[] = []): Tensor[] {
  const tensors = nodesOf(network).flatMap(({ spec, tensors }) => (frozen.includes(spec.name) ? [] : tensors));
  return [...tensors.filter(({ state }) => !state), ...tensors.filter(({ state }) => state)];
}

/** Values of the last layer, a sample. */
export function outputsOf(network: NetworkSpec): number {
  const nodes = nodesOf(network);
  return sizeOf(at(nodes, nodes.length - 1).outputShape);
}

export function found<T>(items: ReadonlyMap<string, T>, name: string): T {
  const item = items.get(name);
  if (item === undefined) throw new RangeError(`There is no ${name}.`);
  return item;
}
