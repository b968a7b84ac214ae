import { ModelError } from '../../../shared/util/errors.ts';
import type { Decoded } from '../../../shared/util/protobuf-decoder.ts';
import { float32From } from '../../../shared/util/safetensors.ts';
import { DATA_TYPE } from '../../export/onnx-schema.ts';
import { type LazyTensor, sizeOf } from '../arrays.ts';
import { quoted } from '../names.ts';

/** The values of TensorProto.DataLocation: in the file of the model, or in another one. */
const EXTERNAL = 1;

/** A constant of an ONNX graph. */
export interface OnnxTensor extends LazyTensor {
  readonly name: string;
  /** Of whole numbers, such as a shape. @throws ModelError if it is of others, or of many */
  integers(): readonly number[];
}

/** The contents of files beside the model's, by their names. */
export type ExternalFiles = ReadonlyMap<string, Buffer>;

/** The name of the file that holds a tensor's values; undefined: the model's own. */
export function externalFileOf(tensor: Decoded): string | undefined {
  return tensor.dataLocation === EXTERNAL ? (externalOf(tensor).location ?? '') : undefined;
}

/** @throws ModelError if its type isn't read, or if its values aren't as many as its dimensions say */
export function tensorOf(tensor: Decoded, source: string, files: ExternalFiles): OnnxTensor {
  const name = (tensor.name as string | undefined) ?? '';
  const shape = (tensor.dims as readonly number[] | undefined) ?? [];
  const fail = (problem: string) => new ModelError(`${source}: the tensor ${quoted(name)} ${problem}.`);
  const size = sizeOf(shape);
  if (!shape.every((side) => side >= 0) || !Number.isSafeInteger(size))
    throw fail(`of the shape ${quoted(shape.join('x'))} isn't one`);
  const expect = (count: number): void => {
    if (count !== size) throw fail(`holds ${count} values, but its shape says ${size}`);
  };
  const raw = (bytes: number): Uint8Array => {
    const data = rawOf(tensor, files, fail);
    expect(data.length / bytes);
    return data;
  };
  return {
    name,
    shape,
    values() {
      if (tensor.dataType !== DATA_TYPE.float32)
        throw fail(`has the data type ${tensor.dataType}; float32 (1) is read`);
      const list = tensor.floatData as ArrayLike<number> | undefined;
      if (list === undefined) return float32From(raw(4));
      expect(list.length);
      return Float32Array.from(list);
    },
    integers() {
      if (tensor.dataType !== DATA_TYPE.int64)
        throw fail(`has the data type ${tensor.dataType}; int64 (7) is expected`);
      const list = tensor.int64Data as readonly number[] | undefined;
      if (size > MAX_INTEGERS) throw fail(`has ${size} whole numbers; ${MAX_INTEGERS} are the most`);
      if (list !== undefined) {
        expect(list.length);
        return list;
      }
      const data = raw(8);
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      return Array.from({ length: size }, (_, i) => Number(view.getBigInt64(8 * i, true)));
    },
  };
}

/** Far above the dimensions of a tensor, which whole numbers are here. */
export const MAX_INTEGERS = 1000;

/** Whole numbers that were computed, as a constant. */
export function integersTensor(values: readonly number[], shape: readonly number[], source: string): OnnxTensor {
  return tensorOf({ dataType: DATA_TYPE.int64, int64Data: values, dims: shape }, source, new Map());
}

function rawOf(tensor: Decoded, files: ExternalFiles, fail: (problem: string) => ModelError): Uint8Array {
  const file = externalFileOf(tensor);
  if (file === undefined) return (tensor.rawData as Uint8Array | undefined) ?? new Uint8Array();
  const bytes = files.get(file) ?? Buffer.alloc(0);
  const { offset = '0', length = String(bytes.length - Number(offset)) } = externalOf(tensor);
  const [begin, count] = [Number(offset), Number(length)];
  const isInside = Number.isSafeInteger(begin) && Number.isSafeInteger(count) && begin >= 0 && count >= 0;
  if (isInside && begin + count <= bytes.length) return bytes.subarray(begin, begin + count);
  throw fail(`can't lie at ${quoted(offset)} of ${quoted(file)}, a file of ${bytes.length} bytes`);
}

function externalOf({ externalData }: Decoded): Readonly<Record<string, string | undefined>> {
  const entries = (externalData as readonly Decoded[] | undefined) ?? [];
  return Object.fromEntries(entries.map(({ key, value }) => [String(key), value as string | undefined]));
}
