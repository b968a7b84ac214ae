// The layers of a Keras model and what each reads, as Keras 2, Keras 3 and TensorFlow.js write them.
import { z } from 'zod';
import { ModelError } from '../../../shared/util/errors.ts';
import { isObject } from '../json.ts';
import { quoted } from '../names.ts';

/** A layer of a Keras model. */
export interface KerasLayer {
  readonly name: string;
  /** Its class. */
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the layers that it reads. */
  readonly inputs: readonly string[];
}

export interface KerasModel {
  readonly name: string;
  /** Each one behind those that it reads; the first is the input layer. */
  readonly layers: readonly KerasLayer[];
  /** The layer whose output is the model's. */
  readonly output: string;
}

const MAX_LAYERS = 2000;
const INPUT_LAYER = 'InputLayer';

const layerSchema = z.object({
  class_name: z.string(),
  name: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
  inbound_nodes: z.array(z.unknown()).optional(),
});
const modelSchema = z.object({
  name: z.string().default('model'),
  layers: z.array(z.unknown()).min(1),
  input_layers: z.unknown().optional(),
  output_layers: z.unknown().optional(),
});
type JsonLayer = z.infer<typeof layerSchema>;

/**
 * @param model with its class_name and config
 * @throws ModelError if it isn't a model of one input and one output, in which each layer is used once
 */
export function topologyOf(model: Readonly<Record<string, unknown>>, source: string): KerasModel {
  const kind = model.class_name;
  if (kind !== 'Sequential' && kind !== 'Functional' && kind !== 'Model')
    throw new ModelError(`${source}: its model is of the class ${quoted(kind)}; Sequential and Functional are known.`);
  const config = Array.isArray(model.config) ? { layers: model.config } : model.config;
  const { name, layers: json, ...ends } = parsed(modelSchema, config, `${source}: the model`);
  if (json.length > MAX_LAYERS)
    throw new ModelError(`${source}: it has ${json.length} layers; ${MAX_LAYERS} are the most.`);
  const layers = json.map((layer, i) => parsed(layerSchema, layer, `${source}: layer ${i + 1}`));
  if (kind === 'Sequential') return sequential(name, layers, source);
  const [input, ...otherInputs] = endsOf(ends.input_layers);
  const [output, ...otherOutputs] = endsOf(ends.output_layers);
  if (input === undefined || output === undefined || otherInputs.length + otherOutputs.length > 0)
    throw new ModelError(`${source}: expected a model of one input and one output.`);
  const read = layers.map((layer): KerasLayer => ({ ...named(layer), inputs: inputsOf(layer, source) }));
  return { name, layers: sorted(read, source), output };
}

function sequential(name: string, json: readonly JsonLayer[], source: string): KerasModel {
  const layers = json.map(named);
  const [first] = layers as [KerasLayer];
  const { batch_input_shape: shape } = first.config;
  // The first layer may say itself what it takes.
  const input = { name: 'input', kind: INPUT_LAYER, config: { batch_input_shape: shape }, inputs: [] };
  const all = first.kind === INPUT_LAYER ? layers : [input, ...layers];
  const linked = all.map((layer, i) => ({ ...layer, inputs: i === 0 ? [] : [(all[i - 1] as KerasLayer).name] }));
  return { name, layers: sorted(linked, source), output: (linked.at(-1) as KerasLayer).name };
}

function named({ name, class_name: kind, config }: JsonLayer): KerasLayer {
  return { name: name ?? (typeof config.name === 'string' ? config.name : kind), kind, config, inputs: [] };
}

/** [name, 0, 0], or a list of such. */
function endsOf(ends: unknown): string[] {
  if (!Array.isArray(ends)) return [];
  return typeof ends[0] === 'string' ? [ends[0]] : ends.filter(isReference).map(([name]) => name);
}

function inputsOf(layer: JsonLayer, source: string): string[] {
  const { name, kind } = named(layer);
  const fail = (problem: string) => new ModelError(`${source}: ${quoted(name)} (${quoted(kind)}): ${problem}.`);
  const { inbound_nodes: calls = [] } = layer;
  if (kind === INPUT_LAYER) return [];
  if (calls.length !== 1) throw fail(`it is called ${calls.length} times; only layers that are called once are known`);
  const references = referencesOf(calls[0]);
  if (references.length === 0) throw fail('what it reads is in none of the known forms');
  if (references.some(([, call, output]) => call !== 0 || output !== 0))
    throw fail('it reads the second call or the second output of a layer, which none has here');
  return references.map(([from]) => from);
}

type Reference = readonly [layer: string, call: unknown, output: unknown];

/** Keras 2 and TensorFlow.js: a list of [layer, call, output, …]; Keras 3: tensors among a call's arguments. */
function referencesOf(call: unknown): Reference[] {
  if (Array.isArray(call))
    return (typeof call[0] === 'string' ? [call] : call).filter(isReference) as readonly unknown[] as Reference[];
  if (!isObject(call) || !Array.isArray(call.args)) return [];
  return call.args.flat(1).flatMap((argument: unknown): Reference[] => {
    const config = isObject(argument) && argument.class_name === '__keras_tensor__' ? argument.config : undefined;
    const history = isObject(config) ? config.keras_history : undefined;
    return isReference(history) ? [history] : [];
  });
}

function isReference(value: unknown): value is Reference {
  return Array.isArray(value) && typeof value[0] === 'string';
}

/** Kahn's algorithm, in the file's order where that is one. @throws ModelError if layers read each other in a circle */
function sorted(layers: readonly KerasLayer[], source: string): KerasLayer[] {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  if (byName.size !== layers.length) throw new ModelError(`${source}: two of its layers have the same name.`);
  const readers = new Map<string, KerasLayer[]>(layers.map(({ name }) => [name, []]));
  const open = new Map(layers.map(({ name, inputs }) => [name, inputs.length]));
  for (const layer of layers) {
    for (const input of layer.inputs) {
      if (!byName.has(input))
        throw new ModelError(`${source}: ${quoted(layer.name)} reads ${quoted(input)}, which isn't in the file.`);
      readers.get(input)?.push(layer);
    }
  }
  const ready = layers.filter(({ inputs }) => inputs.length === 0);
  const [input, ...others] = ready;
  if (input === undefined || input.kind !== INPUT_LAYER || others.length > 0)
    throw new ModelError(`${source}: expected one layer that reads nothing, of the class ${INPUT_LAYER}.`);
  for (const { name } of ready) {
    for (const reader of readers.get(name) ?? []) {
      const left = (open.get(reader.name) as number) - 1;
      open.set(reader.name, left);
      if (left === 0) ready.push(reader);
    }
  }
  if (ready.length === layers.length) return ready;
  const stuck = layers.find(({ name }) => open.get(name) !== 0) as KerasLayer;
  throw new ModelError(
    `${source}: ${quoted(stuck.name)} (${quoted(stuck.kind)}) reads its own output: layers read each other in a circle.`,
  );
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, subject: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ModelError(`${subject}: ${quoted(issue?.path.join('.'))}: ${quoted(issue?.message)}.`);
}
