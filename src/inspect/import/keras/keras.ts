import { basename } from 'node:path';
import { ModelError } from '../../../shared/util/errors.ts';
import { ModelBuilder, type Value } from '../builder.ts';
import { isObject, jsonOf } from '../json.ts';
import { MAX_JSON_BYTES, type ModelFile, type ModelFormat } from '../model-file.ts';
import { quoted } from '../names.ts';
import { readZipped } from '../zip.ts';
import { KERAS_KINDS } from './kinds.ts';
import { type KerasWeights, LayerReader } from './reader.ts';
import { type KerasLayer, topologyOf } from './topology.ts';
import { manifestWeights, safetensorsWeights } from './weights.ts';

type Json = Readonly<Record<string, unknown>>;
type Loss = 'softmax' | 'sigmoid' | 'mse';

/** A Keras archive: its config, with the weights in a safetensors file beside it. Its own are in HDF5, which isn't read. */
export const kerasArchive: ModelFormat = {
  text: 'a Keras archive (.keras)',
  takes: (path) => path.endsWith('.keras'),
  async read(path) {
    const config = jsonOf(await readZipped(path, 'config.json', MAX_JSON_BYTES), path);
    return readKeras(isObject(config) ? config : {}, path);
  },
};

/** Whether a JSON value is a model as TensorFlow.js or Keras writes it. */
export function isKeras(json: unknown): json is Json {
  return isObject(json) && ('modelTopology' in json || 'model_config' in json || 'class_name' in json);
}

/** @throws ModelError if it isn't a model that there can be here */
export async function readKeras(json: Json, path: string): Promise<ModelFile> {
  if (json.format === 'graph-model')
    throw new ModelError(
      `${path}: it is a TensorFlow.js graph model, whose layers are gone. Convert to a layers model.`,
    );
  const topology = isObject(json.modelTopology) ? json.modelTopology : json;
  const config = isObject(topology.model_config) ? topology.model_config : topology;
  const weights = await weightsOf(json, path);
  const file = build(config, path, weights, lossOf(topology));
  if (weights !== undefined) return file;
  return {
    ...file,
    weights: undefined,
    warnings: [...file.warnings, `There are no weights beside ${basename(path)}.`],
  };
}

async function weightsOf(json: Json, path: string): Promise<KerasWeights | undefined> {
  const listed = json.weightsManifest === undefined ? undefined : await manifestWeights(json.weightsManifest, path);
  return listed ?? safetensorsWeights(path);
}

function build(config: Json, path: string, weights: KerasWeights | undefined, loss: Loss | undefined): ModelFile {
  const { name, layers, output } = topologyOf(config, path);
  const [input, ...others] = layers as [KerasLayer, ...KerasLayer[]];
  const sides = inputSides(input, others, path);
  const [height = 1, width = 1, maps = 1] = sides.length === 1 ? [1, 1, ...sides] : sides;
  const builder = new ModelBuilder(path, { maps, height, width });
  const values = new Map<string, Value>([[input.name, { ...builder.input, isFlat: sides.length === 1 }]]);
  for (const layer of others) {
    const kind = KERAS_KINDS.get(layer.kind);
    if (kind === undefined) {
      const known = [...KERAS_KINDS.keys()].join(', ');
      throw builder.fail(layer, `the class of layers isn't known. The known ones are ${known}.`);
    }
    const inputs = layer.inputs.map((each) => values.get(each) as Value);
    values.set(layer.name, kind(new LayerReader(layer, builder, inputs, weights ?? (() => undefined))));
  }
  const value = values.get(output);
  if (value === undefined) throw new ModelError(`${path}: its output ${quoted(output)} is none of its layers.`);
  return builder.finish(name, value, loss);
}

/** [rows, columns, maps] or [units] of a sample; a vector that is made a stack first is one from the beginning. */
function inputSides(input: KerasLayer, layers: readonly KerasLayer[], path: string): number[] {
  const [, ...sides] = listOf(input.config.batch_input_shape ?? input.config.batch_shape);
  const readers = layers.filter(({ inputs }) => inputs.includes(input.name));
  const target = readers.length === 1 && readers[0]?.kind === 'Reshape' ? listOf(readers[0].config.target_shape) : [];
  const shape = sides.length === 1 && target.length === 3 ? target : sides;
  if ((shape.length === 1 || shape.length === 3) && shape.every((side) => Number.isSafeInteger(side)))
    return shape as number[];
  throw new ModelError(
    `${path}: its input is ${quoted(JSON.stringify(sides))}; expected rows, columns and channels, or units, of fixed sizes.`,
  );
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The head by the loss that the model was compiled with. */
function lossOf({ training_config: old, compile_config: config = old }: Json): Loss | undefined {
  const loss = isObject(config) ? config.loss : undefined;
  const inner = isObject(loss) ? (typeof loss.config === 'string' ? loss.config : loss.class_name) : loss;
  const name = quoted(inner).replaceAll('_', '').toLowerCase();
  if (/^(meansquarederror|mse)$/.test(name)) return 'mse';
  if (/^binarycrossentropy$/.test(name)) return 'sigmoid';
  return /categoricalcrossentropy$/.test(name) ? 'softmax' : undefined;
}
