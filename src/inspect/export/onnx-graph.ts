import type { OnnxAttributes, OnnxEmitter } from '../../shared/model/formats/onnx.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { ATTRIBUTE_TYPE, DATA_TYPE } from './onnx-schema.ts';

/** The nodes and constants of an ONNX graph, in the order in which they are added. */
export class OnnxGraph implements OnnxEmitter {
  readonly #nodes: object[] = [];
  readonly #initializers: object[] = [];

  add(name: string, opType: string, input: readonly string[], attributes: OnnxAttributes = {}): string {
    const attribute = Object.entries(attributes).map(([key, value]) =>
      typeof value === 'number'
        ? { name: key, type: ATTRIBUTE_TYPE.int, i: value }
        : { name: key, type: ATTRIBUTE_TYPE.ints, ints: value },
    );
    this.#nodes.push({ name, opType, input, output: [name], attribute });
    return name;
  }

  floats(name: string, dims: readonly number[], values: Float32Array): string {
    this.#initializers.push({ name, dims, dataType: DATA_TYPE.float32, rawData: littleEndianBytes(values) });
    return name;
  }

  integers(name: string, values: readonly number[]): string {
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
}

export interface ValueShape {
  readonly name: string;
  readonly dims: readonly (number | string)[];
}

function valueInfo({ name, dims }: ValueShape): object {
  const dim = dims.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType: DATA_TYPE.float32, shape: { dim } } } };
}
