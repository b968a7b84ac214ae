import type { Shape } from '../shape.ts';

/** A node's output in the graph that TensorBoard shows: [batch][maps][height][width] or [batch][units]. */
export interface GraphValue {
  readonly name: string;
  readonly shape: readonly number[];
}

export type GraphType = 'float' | 'int32' | 'uint8' | 'bool';

export type GraphAttribute = boolean | string | readonly number[] | { readonly type: GraphType };

/** Takes the nodes of one layer: TensorFlow's operations on floats. */
export interface GraphEmitter {
  /** @param name below the layer's scope; its last part, after a slash, is the operation */
  add(
    name: string,
    inputs: readonly GraphValue[],
    shape: readonly number[],
    attributes?: Readonly<Record<string, GraphAttribute>>,
  ): GraphValue;
  /** `values` in row-major order; shape [] for a single one. */
  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): GraphValue;
}

/** The size of the batch, which a graph leaves open. */
export const ANY = -1;

export const INT32 = { type: 'int32' } as const;

export const CHANNELS_FIRST = { data_format: 'NCHW' };

export function stackOf({ maps, height, width }: Shape): number[] {
  return [ANY, maps, height, width];
}

export function biased(graph: GraphEmitter, x: GraphValue, bias: GraphValue): GraphValue {
  return graph.add('BiasAdd', [x, bias], x.shape, x.shape.length === 2 ? {} : CHANNELS_FIRST);
}
