import type { Names } from '../../shared/model/formats/names.ts';
import type { OnnxAttribute, OnnxAttributes, OnnxEmitter } from '../../shared/model/formats/onnx.ts';
import type { OnnxHeadEmitter } from '../../shared/model/heads/head.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { ATTRIBUTE_TYPE, DATA_TYPE } from './onnx-schema.ts';

/** The nodes and constants of an ONNX graph, in the order in which they are added. */
export class OnnxGraph implements OnnxEmitter, OnnxHeadEmitter {
  readonly #nodes: object[];
  readonly #initializers: object[];
  readonly #names: Names;
  readonly #scope: string;

  /** @param names of which some are taken: those of inputs and outputs */
  constructor(names: Names, scope = '', nodes: object[] = [], initializers: object[] = []) {
    this.#names = names;
    this.#scope = scope;
    this.#nodes = nodes;
    this.#initializers = initializers;
  }

  /** Adds to the same graph, below a layer's name. */
  within(layer: string): OnnxGraph {
    return new OnnxGraph(this.#names, layer, this.#nodes, this.#initializers);
  }

  add(part: string, opType: string, input: readonly string[], attributes: OnnxAttributes = {}): string {
    return this.#node(this.#named(part), opType, input, attributes);
  }

  output(name: string, opType: string, input: readonly string[], attributes: OnnxAttributes = {}): void {
    this.#node(name, opType, input, attributes);
  }

  floats(part: string, dims: readonly number[], values: Float32Array): string {
    const name = this.#named(part);
    this.#initializers.push({ name, dims, dataType: DATA_TYPE.float32, rawData: littleEndianBytes(values) });
    return name;
  }

  integers(part: string, values: readonly number[]): string {
    const name = this.#named(part);
    const rawData = Buffer.alloc(8 * values.length);
    for (const [i, value] of values.entries()) rawData.writeBigInt64LE(BigInt(value), 8 * i);
    this.#initializers.push({ name, dims: [values.length], dataType: DATA_TYPE.int64, rawData });
    return name;
  }

  /** The GraphProto. Inputs and outputs are float32; a dimension that is a text is free and has that name. */
  message(name: string, { inputs, outputs }: Readonly<Record<'inputs' | 'outputs', readonly ValueShape[]>>): object {
    return {
      name,
      node: this.#nodes,
      initializer: this.#initializers,
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
    };
  }

  #named(part: string): string {
    return this.#names.unused(part === '' ? this.#scope : `${this.#scope}.${part}`);
  }

  #node(name: string, opType: string, input: readonly string[], attributes: OnnxAttributes): string {
    const attribute = Object.entries(attributes).map(([key, value]) => ({ name: key, ...attributeOf(value) }));
    this.#nodes.push({ name, opType, input, output: [name], attribute });
    return name;
  }
}

function attributeOf(value: OnnxAttribute): object {
  if (typeof value === 'number') return { type: ATTRIBUTE_TYPE.int, i: value };
  return 'float' in value ? { type: ATTRIBUTE_TYPE.float, f: value.float } : { type: ATTRIBUTE_TYPE.ints, ints: value };
}

export interface ValueShape {
  readonly name: string;
  readonly dims: readonly (number | string)[];
}

function valueInfo({ name, dims }: ValueShape): object {
  const dim = dims.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType: DATA_TYPE.float32, shape: { dim } } } };
}
