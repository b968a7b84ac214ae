// The ONNX file of a frozen network: what it takes, and the value that features are. It may be anybody's: sizes are bounded, and what
// runs it is a WebAssembly sandbox in a thread of its own (thread.ts).
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { FeaturePreparation } from '../../shared/data/preparation.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { ModelError, UsageError } from '../../shared/util/errors.ts';
import { type Decoded, decodeBounded } from '../../shared/util/protobuf-decoder.ts';
import { DATA_TYPE, ModelProto, ONNX_MESSAGES } from '../export/onnx-schema.ts';
import { readBounded } from '../import/files.ts';
import { quoted } from '../import/names.ts';
import { externalFileOf } from '../import/onnx/tensors.ts';

/** A VGG-16 has 528 MiB. */
const MAX_FILE_BYTES = 2 ** 30;
/** Messages, numbers and texts. */
const MAX_VALUES = 1_000_000;
/** Of a batch of pictures: 256 MiB of floats. */
const MAX_INPUT_VALUES = 2 ** 26;
/** Characters of a value's name. */
const MAX_NAME = 200;
/** Values that a message names. */
const MAX_LISTED = 8;

export interface NetworkInput {
  readonly name: string;
  readonly shape: Shape & { readonly maps: 1 | 3 };
  /** Pictures that it takes at once; 1 if any number. */
  readonly batch: number;
  /** [batch][height][width][maps] instead of [batch][maps][height][width]. */
  readonly isChannelsLast: boolean;
}

export interface FrozenNetwork {
  readonly path: string;
  /** The file's name. */
  readonly file: string;
  /** Of the file. */
  readonly sha256: string;
  readonly input: NetworkInput;
  /** The value that features are. */
  readonly layer: string;
  /** The model with that value among its outputs, in memory that threads share. */
  readonly model: Uint8Array;
}

export interface ReadNetworkOptions {
  /** The name of a value in the graph; undefined: the first output. */
  readonly layer?: string | undefined;
  /** The file that it must be. */
  readonly expected?: FeaturePreparation['network'];
}

/**
 * @throws ModelError if the file can't be read, or isn't a network of pictures that has that value; UsageError if it isn't the expected
 * one
 */
export async function readNetwork(path: string, { layer, expected }: ReadNetworkOptions = {}): Promise<FrozenNetwork> {
  const bytes = await readBounded(path, MAX_FILE_BYTES);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (expected !== undefined && sha256 !== expected.sha256) {
    throw new UsageError(
      `--features: expected ${expected.file} with the SHA-256 ${expected.sha256}, whose features the weights were trained on, ` +
        `but ${path} has ${sha256}. Name that file.`,
    );
  }
  const graph = graphOf(bytes, path);
  const input = inputOf(graph, path);
  const { name, isOutput } = outputOf(graph, layer, path);
  const model = shared(bytes, isOutput ? new Uint8Array() : outputMessage(name));
  return { path, file: basename(path).slice(0, MAX_NAME), sha256, input, layer: name, model };
}

function graphOf(bytes: Uint8Array, path: string): Decoded {
  let graph: Decoded | undefined;
  try {
    ({ graph } = decodeBounded(ONNX_MESSAGES, 'ModelProto', bytes, MAX_VALUES) as { graph?: Decoded });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelError(`${path}: it can't be read as an ONNX model (${quoted(error.message)}).`, { cause: error });
  }
  if (graph === undefined) throw new ModelError(`${path}: expected an ONNX model, but it has no graph.`);
  const elsewhere = listOf(graph.initializer).find((tensor) => externalFileOf(tensor) !== undefined);
  if (elsewhere === undefined) return graph;
  throw new ModelError(
    `${path}: its weights are in another file, ${quoted(externalFileOf(elsewhere))}. Save them in the model: ` +
      'onnx.save_model(onnx.load(path), other).',
  );
}

/** @throws ModelError unless the one input is a batch of pictures of a fixed size */
function inputOf({ initializer, input }: Decoded, path: string): NetworkInput {
  const constants = new Set(listOf(initializer).map(({ name }) => name));
  // Older files list initializers among the inputs.
  const inputs = listOf(input).filter(({ name }) => !constants.has(name));
  const [first] = inputs;
  if (first === undefined || inputs.length > 1)
    throw new ModelError(`${path}: it has ${inputs.length} inputs; expected one, of pictures.`);
  const { elemType, shape } = ((first.type as Decoded | undefined)?.tensorType ?? {}) as Decoded;
  const name = String(first.name ?? '');
  if (elemType !== DATA_TYPE.float32)
    throw new ModelError(`${path}: its input ${quoted(name)} has the data type ${elemType}; expected float32 (1).`);
  const sides = listOf((shape as Decoded | undefined)?.dim).map(({ dimValue }) => Number(dimValue ?? 0));
  const [batch = 0, ...sample] = sides;
  const isChannelsLast = !isColours(sample[0]);
  const [maps, height = 0, width = 0] = isChannelsLast ? [sample[2], sample[0], sample[1]] : sample;
  const given = `${path}: its input ${quoted(name)} is ${quoted(sides.map((side) => (side > 0 ? side : '?')).join('x'))}`;
  if (sides.length !== 4 || !isColours(maps)) {
    throw new ModelError(
      `${given}; expected pictures x channels x height x width, or channels last, with 1 or 3 of them.`,
    );
  }
  if (height < 1 || width < 1) {
    throw new ModelError(
      `${given}; expected a fixed height and width. Set them: python -m onnxruntime.tools.make_dynamic_shape_fixed.`,
    );
  }
  if (Math.max(batch, 1) * maps * height * width > MAX_INPUT_VALUES)
    throw new ModelError(`${given}; ${MAX_INPUT_VALUES} values are the most.`);
  return { name, shape: { maps, height, width }, batch: Math.max(batch, 1), isChannelsLast };
}

function isColours(maps: number | undefined): maps is 1 | 3 {
  return maps === 1 || maps === 3;
}

/** The value that features are, and whether it is among the graph's outputs. @throws ModelError if there is none of that name */
function outputOf({ node, output }: Decoded, layer: string | undefined, path: string) {
  const outputs = listOf(output).map(({ name }) => String(name ?? ''));
  const name = layer ?? outputs[0];
  if (name === undefined) throw new ModelError(`${path}: it has no outputs.`);
  if (name.length > MAX_NAME) throw new ModelError(`${path}: ${quoted(name)} is too long a name for its features.`);
  if (outputs.includes(name)) return { name, isOutput: true };
  const values = listOf(node).flatMap((each) => (each.output ?? []) as readonly string[]);
  if (name !== '' && values.includes(name)) return { name, isOutput: false };
  const last = [...new Set([...values, ...outputs])].filter((value) => value !== '').slice(-MAX_LISTED);
  throw new ModelError(
    `--layer: ${path} has no value ${quoted(name)}. The last of its ${values.length} are ${last.map(quoted).join(', ')}.`,
  );
}

/** A model with one more output; behind a model's bytes it is a part of that model: protobuf merges messages that follow each other. */
function outputMessage(name: string): Uint8Array {
  return ModelProto.encode(ModelProto.create({ graph: { output: [{ name }] } })).finish();
}

function shared(...pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(new SharedArrayBuffer(pieces.reduce((sum, { length }) => sum + length, 0)));
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

function listOf(value: unknown): readonly Decoded[] {
  return (value as readonly Decoded[] | undefined) ?? [];
}
