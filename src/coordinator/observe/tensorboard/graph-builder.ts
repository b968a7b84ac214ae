import type { AttrValue, GraphDef, NodeDef, TensorShape } from './messages.ts';

/** TensorFlow's numbers of types. */
export const DTYPE = { float: 1, int32: 3, uint8: 4, int64: 9, bool: 10 } as const;
export type Dtype = keyof typeof DTYPE;

/** The batch, whose size a graph leaves open. */
export const ANY = -1;

/** GraphDefs that this version of TensorFlow made, the last of 1.x, are understood by all that came after it. */
const PRODUCER = 134;

/** A node's output, as later nodes take it. */
export interface Output {
  /** With its scopes: C1/Conv2D. */
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface Operation {
  readonly op: string;
  readonly inputs?: readonly Output[];
  readonly shape: readonly number[];
  /** Of the output; float where absent. */
  readonly dtype?: Dtype;
  /** Of further outputs, which no node takes. */
  readonly others?: readonly (readonly number[])[];
  readonly attr?: Readonly<Record<string, AttrValue>>;
}

/** Nodes of a graph in the order in which they are added; a name's parts before a slash are the scopes that TensorBoard folds. */
export class GraphBuilder {
  readonly #nodes: NodeDef[] = [];

  add(name: string, { op, inputs = [], shape, dtype = 'float', others = [], attr = {} }: Operation): Output {
    const shapes = { list: { shape: [shape, ...others].map(shapeOf) } };
    const input = inputs.map((each) => each.name);
    this.#nodes.push({ name, op, input, attr: { ...attr, _output_shapes: shapes } });
    return { name, dtype, shape };
  }

  /** What a caller feeds. */
  placeholder(name: string, dtype: Dtype, shape: readonly number[]): Output {
    const attr = { dtype: typeAttr(dtype), shape: { shape: shapeOf(shape) } };
    return this.add(name, { op: 'Placeholder', shape, dtype, attr });
  }

  variable(name: string, shape: readonly number[]): Output {
    const attr = { dtype: typeAttr('float'), shape: { shape: shapeOf(shape) } };
    return this.add(name, { op: 'VariableV2', shape, attr });
  }

  /** `values` in row-major order; shape [] for a single one. */
  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): Output {
    const dtype = values instanceof Float32Array ? 'float' : 'int32';
    // Like the rest of Lockstep's files, little-endian: no supported machine is big-endian.
    const tensorContent = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = { dtype: DTYPE[dtype], tensorShape: shapeOf(shape), tensorContent };
    return this.add(name, { op: 'Const', shape, dtype, attr: { dtype: typeAttr(dtype), value: { tensor } } });
  }

  build(): GraphDef {
    return { node: this.#nodes, versions: { producer: PRODUCER } };
  }
}

export function typeAttr(dtype: Dtype): AttrValue {
  return { type: DTYPE[dtype] };
}

/** Of what computes in floats. */
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
