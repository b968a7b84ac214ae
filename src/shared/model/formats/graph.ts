import { isVector, type Shape } from '../shape.ts';

/** A node's output in the graph that TensorBoard shows: [batch][maps][height][width] or [batch][units]. */
export interface GraphValue {
  readonly name: string;
  readonly shape: readonly number[];
}

export type GraphType = 'float' | 'int32' | 'uint8' | 'bool';

export type GraphAttribute =
  | boolean
  | string
  | readonly number[]
  | { readonly type: GraphType }
  | { readonly float: number };

/** Takes the nodes of one layer: TensorFlow's operations on floats. */
export interface GraphEmitter {
  /**
   * @param name below the layer's scope; its last part, after a slash, is the operation unless `options` has another
   * @param options.others shapes of further outputs, which no node uses
   */
  add(
    name: string,
    inputs: readonly GraphValue[],
    shape: readonly number[],
    attributes?: Readonly<Record<string, GraphAttribute>>,
    options?: { readonly op?: string; readonly others?: readonly (readonly number[])[] },
  ): GraphValue;
  /** `values` in row-major order; shape [] for a single one. */
  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): GraphValue;
  cast(name: string, x: GraphValue, from: GraphType, to: GraphType): GraphValue;
}

/** The size of the batch, which a graph leaves open. */
export const ANY = -1;

export const INT32 = { type: 'int32' } as const;

export const CHANNELS_FIRST = { data_format: 'NCHW' };

/** Any number of samples of a shape. */
export function batchOf(shape: Shape): number[] {
  return isVector(shape) ? [ANY, shape.maps] : stackOf(shape);
}

export function stackOf({ maps, height, width }: Shape): number[] {
  return [ANY, maps, height, width];
}

export function biased(graph: GraphEmitter, x: GraphValue, bias: GraphValue): GraphValue {
  return graph.add('BiasAdd', [x, bias], x.shape, x.shape.length === 2 ? {} : CHANNELS_FIRST);
}

export function reshaped(graph: GraphEmitter, name: string, x: GraphValue, shape: readonly number[]): GraphValue {
  const sizes = graph.constant(`${name}/shape`, Int32Array.from(shape), [shape.length]);
  return graph.add(`${name}/Reshape`, [x, sizes], shape, { Tshape: INT32 });
}

/** A value times a number. */
export function scaled(graph: GraphEmitter, name: string, x: GraphValue, factor: number): GraphValue {
  return graph.add(`${name}/Mul`, [x, graph.constant(`${name}/factor`, Float32Array.of(factor), [])], x.shape);
}

/** Values brought to mean 0 and variance 1 over all axes from `first` on. */
export function normalized(graph: GraphEmitter, x: GraphValue, first: number, epsilon: number): GraphValue {
  const axes = x.shape.map((_, axis) => axis).slice(first);
  const shape = x.shape.map((side, axis) => (axis < first ? side : 1));
  const mean = (name: string, value: GraphValue): GraphValue => {
    const over = graph.constant(`${name}/axes`, Int32Array.from(axes), [axes.length]);
    return graph.add(`${name}/Mean`, [value, over], shape, { Tidx: INT32, keep_dims: true });
  };
  const means = mean('mean', x);
  const variance = mean('variance', graph.add('variance/SquaredDifference', [x, means], x.shape));
  const added = graph.constant('epsilon', Float32Array.of(epsilon), []);
  const factor = graph.add('deviation/Rsqrt', [graph.add('deviation/Add', [variance, added], shape)], shape);
  return graph.add('normalize/Mul', [graph.add('center/Sub', [x, means], x.shape), factor], x.shape);
}

/** Each map, or value, times its weight, plus its bias. @param shape of the weights, so that they fit */
export function weighted(
  graph: GraphEmitter,
  x: GraphValue,
  { weight, bias }: { readonly weight: GraphValue; readonly bias: GraphValue },
  shape: readonly number[],
): GraphValue {
  const fitting = (name: string, value: GraphValue): GraphValue =>
    value.shape.length === shape.length ? value : reshaped(graph, name, value, shape);
  const product = graph.add('scale/Mul', [x, fitting('scale', weight)], x.shape);
  return graph.add('shift/Add', [product, fitting('shift', bias)], x.shape);
}
