import type { GraphAttribute, GraphEmitter, GraphValue } from '../../../shared/model/formats/graph.ts';
import { FLOAT, type GraphBuilder, numbersAttr, textAttr, typeAttr } from './graph-builder.ts';
import type { AttrValue } from './messages.ts';

/** Adds a layer's nodes below its scope. */
export class LayerNodes implements GraphEmitter {
  readonly #graph: GraphBuilder;
  readonly #scope: string;

  constructor(graph: GraphBuilder, scope: string) {
    this.#graph = graph;
    this.#scope = scope;
  }

  add(
    name: string,
    inputs: readonly GraphValue[],
    shape: readonly number[],
    attributes: Readonly<Record<string, GraphAttribute>> = {},
  ): GraphValue {
    const op = name.slice(name.lastIndexOf('/') + 1);
    const own = Object.entries(attributes).map(([key, value]) => [key, attrOf(value)]);
    return this.#graph.add(`${this.#scope}/${name}`, {
      op,
      inputs,
      shape,
      attr: { ...FLOAT, ...Object.fromEntries(own) },
    });
  }

  constant(name: string, values: Float32Array | Int32Array, shape: readonly number[]): GraphValue {
    return this.#graph.constant(`${this.#scope}/${name}`, values, shape);
  }
}

function attrOf(value: GraphAttribute): AttrValue {
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'string') return textAttr(value);
  return 'type' in value ? typeAttr(value.type) : numbersAttr(value);
}
