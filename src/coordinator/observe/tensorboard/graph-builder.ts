import type { GraphValue } from '../../../shared/model/formats/graph.ts';
import type { AttrValue, GraphDef, NodeDef, TensorShape } from './messages.ts';

/** TensorFlow's type numbers. */
export const DTYPE = { float: 1, int32: 3, uint8: 4, int64: 9, bool: 10 } as const;
export type Dtype = keyof typeof DTYPE;

/** The version of GraphDefs in the last TensorFlow 1.x, which all later ones read. */
const PRODUCER = 134;

export interface Operation {
  readonly op: string;
  readonly inputs?: readonly GraphValue[];
  readonly shape: readonly number[];
  /** Shapes of further outputs, which no node uses. */
  readonly others?: readonly (readonly number[])[];
  readonly attr?: Readonly<Record<string, AttrValue>>;
}

/** Nodes of a graph in the order in which they are added. The parts of a name before a slash are the scopes that TensorBoard folds. */
export class GraphBuilder {
  readonly #nodes: NodeDef[] = [];

  /** @param name with its scopes: C1/Conv2D */
  add(name: string, { op, inputs = [], shape, others = [], attr = {} }: Operation): GraphValue {
    const shapes = { list: { shape: [shape, ...others].map(shapeOf) } };
    const input = inputs.map((each) => each.name);
    this.#nodes.push({ name, op, input, attr: { ...attr, _output_shapes: shapes } });
    return { name, shape };
  }

  /** An input of the graph. */
  placeholder(name: string, dtype: Dtype, shape: readonly number[]): GraphValue {
    const attr = { dtype: typeAttr(dtype), shape: { shape: shapeOf(shape) } };
    return this.add(name, { op: 'Placeholder', shape, attr });
  }

  variable(name: string, shape: readonly number[]): GraphValue {
    const attr = { dtype: typeAttr('float'), shape: { shape: shapeOf(shape) } };
    return this.add(name, { op: 'VariableV2', shape, attr });
  }

  /** `values` in row-major order; shape [] for a single one. */
  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): GraphValue {
    const dtype = values instanceof Float32Array ? 'float' : 'int32';
    // Little-endian, as all supported machines are.
    const tensorContent = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = { dtype: DTYPE[dtype], tensorShape: shapeOf(shape), tensorContent };
    return this.add(name, { op: 'Const', shape, attr: { dtype: typeAttr(dtype), value: { tensor } } });
  }

  build(): GraphDef {
    return { node: this.#nodes, versions: { producer: PRODUCER } };
  }
}

export function typeAttr(dtype: Dtype): AttrValue {
  return { type: DTYPE[dtype] };
}

/** The attribute of operations on floats. */
export const FLOAT = { T: typeAttr('float') };

export function textAttr(text: string): AttrValue {
  return { s: Buffer.from(text) };
}

export function numbersAttr(i: readonly number[]): AttrValue {
  return { list: { i } };
}

function shapeOf(sizes: readonly number[]): TensorShape {
  return { dim: sizes.map((size) => ({ size })) };
}
