import type { GraphAttribute, GraphEmitter, GraphType, GraphValue } from '../../../shared/model/formats/graph.ts';
import { Names } from '../../../shared/model/formats/names.ts';
import type { AttrValue, GraphDef, NodeDef, TensorShape } from './messages.ts';

/** TensorFlow's type numbers. */
const TYPES: Readonly<Record<GraphType, number>> = { float: 1, int32: 3, uint8: 4, bool: 10 };

/** The version of GraphDefs in the last TensorFlow 1.x, which all later ones read. */
const PRODUCER = 134;

type Attributes = Readonly<Record<string, GraphAttribute>>;

/** Nodes of a graph in the order in which they are added. The parts of a name before a slash are the scopes that TensorBoard folds. */
export class GraphBuilder implements GraphEmitter {
  readonly #nodes: NodeDef[];
  readonly #names: Names;
  readonly #scope: string;

  constructor(scope = '', nodes: NodeDef[] = [], names = new Names([])) {
    this.#nodes = nodes;
    this.#names = names;
    this.#scope = scope;
  }

  /** Adds to the same graph, below a scope. */
  within(scope: string): GraphBuilder {
    return new GraphBuilder(`${this.#scope}${scope}/`, this.#nodes, this.#names);
  }

  /** @param others shapes of further outputs, which no node uses */
  add(
    name: string,
    inputs: readonly GraphValue[],
    shape: readonly number[],
    attributes: Attributes = {},
    { op = name.slice(name.lastIndexOf('/') + 1), others = [] as readonly (readonly number[])[] } = {},
  ): GraphValue {
    return this.#add(name, op, inputs, [shape, ...others], attrsOf({ T: { type: 'float' }, ...attributes }));
  }

  cast(name: string, x: GraphValue, from: GraphType, to: GraphType): GraphValue {
    return this.#add(name, 'Cast', [x], [x.shape], attrsOf({ SrcT: { type: from }, DstT: { type: to } }));
  }

  /** An input of the graph. */
  placeholder(name: string, type: GraphType, shape: readonly number[]): GraphValue {
    return this.#add(name, 'Placeholder', [], [shape], {
      ...attrsOf({ dtype: { type } }),
      shape: { shape: shapeOf(shape) },
    });
  }

  variable(name: string, shape: readonly number[]): GraphValue {
    return this.#add(name, 'VariableV2', [], [shape], {
      ...attrsOf({ dtype: { type: 'float' } }),
      shape: { shape: shapeOf(shape) },
    });
  }

  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): GraphValue {
    const type = values instanceof Float32Array ? 'float' : 'int32';
    // Little-endian, as all supported machines are.
    const tensorContent = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const tensor = { dtype: TYPES[type], tensorShape: shapeOf(shape), tensorContent };
    return this.#add(name, 'Const', [], [shape], { ...attrsOf({ dtype: { type } }), value: { tensor } });
  }

  build(): GraphDef {
    return { node: this.#nodes, versions: { producer: PRODUCER } };
  }

  #add(
    below: string,
    op: string,
    inputs: readonly GraphValue[],
    shapes: readonly (readonly number[])[],
    attr: Readonly<Record<string, AttrValue>>,
  ): GraphValue {
    const name = this.#names.unused(`${this.#scope}${below}`);
    const input = inputs.map((each) => each.name);
    this.#nodes.push({ name, op, input, attr: { ...attr, _output_shapes: { list: { shape: shapes.map(shapeOf) } } } });
    return { name, shape: shapes[0] as readonly number[] };
  }
}

function attrsOf(attributes: Attributes): Record<string, AttrValue> {
  return Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, attrOf(value)]));
}

function attrOf(value: GraphAttribute): AttrValue {
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'string') return { s: Buffer.from(value) };
  if ('float' in value) return { f: value.float };
  return 'type' in value ? { type: TYPES[value.type] } : { list: { i: value } };
}

function shapeOf(sizes: readonly number[]): TensorShape {
  return { dim: sizes.map((size) => ({ size })) };
}
