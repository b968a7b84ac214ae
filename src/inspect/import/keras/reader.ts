import { LAYERS } from '../../../shared/model/kinds.ts';
import type { Pair } from '../../../shared/model/shape.ts';
import type { ModelError } from '../../../shared/util/errors.ts';
import { type LazyTensor, reordered } from '../arrays.ts';
import { type ModelBuilder, positionsOf, type Value, type Weights } from '../builder.ts';
import { isObject } from '../json.ts';
import { quoted } from '../names.ts';
import type { KerasLayer } from './topology.ts';

/** A layer's tensors by their names there, such as kernel; undefined: the file has none. */
export type KerasWeights = (layer: string, part: string) => LazyTensor | undefined;

/** A Keras layer in the model that is made: its config, its inputs and its weights. */
export class LayerReader {
  readonly layer: KerasLayer;
  readonly builder: ModelBuilder;
  readonly inputs: readonly Value[];
  readonly #weights: KerasWeights;

  constructor(layer: KerasLayer, builder: ModelBuilder, inputs: readonly Value[], weights: KerasWeights) {
    this.layer = layer;
    this.builder = builder;
    this.inputs = inputs;
    this.#weights = weights;
    this.expect('data_format', ['channels_last']);
  }

  /** Its only input. */
  get x(): Value {
    const [x, ...others] = this.inputs;
    if (x !== undefined && others.length === 0) return x;
    throw this.fail(`it reads ${this.inputs.length} layers; 1 is expected.`);
  }

  fail(problem: string): ModelError {
    return this.builder.fail(this.layer, problem);
  }

  number(key: string, otherwise: number, config = this.layer.config): number {
    const value = config[key] ?? otherwise;
    if (typeof value === 'number') return value;
    throw this.fail(`its ${key} isn't a number.`);
  }

  boolean(key: string, otherwise: boolean): boolean {
    const value = this.layer.config[key] ?? otherwise;
    if (typeof value === 'boolean') return value;
    throw this.fail(`its ${key} is neither true nor false.`);
  }

  /** Two sides; one number stands for both. */
  pair(key: string, otherwise: unknown): Pair {
    const value = this.layer.config[key] ?? otherwise;
    if (typeof value === 'number') return [value, value];
    const [height, width, ...others] = Array.isArray(value) ? (value as readonly unknown[]) : [];
    if (typeof height === 'number' && typeof width === 'number' && others.length === 0) return [height, width];
    throw this.fail(`its ${key} isn't a pair of numbers.`);
  }

  /** Refuses whatever else a field says than what is known; the first is the default. */
  expect<T>(key: string, known: readonly T[]): T {
    const value = this.layer.config[key] ?? known[0];
    const found = known.find((each) => JSON.stringify(each) === JSON.stringify(value)?.slice(0, 100));
    if (found !== undefined) return found;
    const list = known.map((each) => JSON.stringify(each)).join(', ');
    throw this.fail(`its ${key} is ${quoted(JSON.stringify(value))}; known: ${list}.`);
  }

  /** Refuses another axis than the last. */
  expectLastAxis(otherwise = -1): void {
    const axis = [this.layer.config.axis ?? otherwise].flat();
    const last = this.x.isFlat ? 1 : 3;
    if (axis.length !== 1 || (axis[0] !== -1 && axis[0] !== last))
      throw this.fail(`its axis is ${quoted(JSON.stringify(axis))}; only the last one is known.`);
  }

  /** A tensor with the file's last axis as it is; undefined if the file has no weights. */
  tensor(part: string): LazyTensor | undefined {
    return this.#weights(this.layer.name, part);
  }

  /** A tensor whose last axis follows the input's values, brought to the order that they have here. */
  ordered(tensor: LazyTensor | undefined): LazyTensor | undefined {
    const { channelsLast } = this.x;
    return tensor && channelsLast ? reordered(tensor, () => positionsOf(channelsLast)) : tensor;
  }

  /** Adds a layer of the same values in another form; vectors keep their order. */
  keep(kind: string, fields: Readonly<Record<string, unknown>>, weights: Weights = {}): Value {
    const { isFlat = false, channelsLast } = this.x;
    return { ...this.builder.add(this.layer, kind, fields, [this.x], weights), isFlat, channelsLast };
  }

  /** The activation that a field asks for, as a layer of its own. */
  activated(value: Value, otherwise = 'linear'): Value {
    const activation = this.layer.config.activation ?? otherwise;
    const name = activationName(activation);
    if (name === 'linear') return value;
    if (name === 'softmax' && value.isFlat) return { ...value, isSoftmax: true };
    const known = ACTIVATIONS.get(name);
    if (known === undefined) {
      const all = [...ACTIVATIONS.keys(), 'linear, and softmax at the end'].join(', ');
      throw this.fail(`its activation ${quoted(name)} isn't known. The known ones are ${all}.`);
    }
    const isOnly = this.layer.kind === 'Activation';
    const layerName = isOnly ? this.layer.name : `${this.layer.name}_${name}`;
    const { isFlat = false, channelsLast } = value;
    const config = isObject(activation) && isObject(activation.config) ? activation.config : {};
    const fields = known.read((key, otherwise) => this.number(key, otherwise, config));
    return { ...this.builder.add(this.layer, known.kind, fields, [value], {}, layerName), isFlat, channelsLast };
  }
}

/** The kinds of layers that a field `activation` can ask for, by the names there. */
const ACTIVATIONS = new Map(
  LAYERS.flatMap(({ kind, imports }) =>
    Object.entries(imports?.kerasActivation ?? {}).map(([name, read]) => [name, { kind, read }] as const),
  ),
);

function activationName(activation: unknown): string {
  if (typeof activation === 'string') return activation;
  if (!isObject(activation)) return quoted(activation);
  if (typeof activation.config === 'string') return activation.config;
  const name = quoted(activation.class_name);
  return CLASSES.get(name) ?? name;
}

/** The names of activations that are given as layers, by the layers' classes. */
const CLASSES = new Map<string, string>([
  ['ReLU', 'relu'],
  ...LAYERS.flatMap(({ imports }) => {
    const [name] = Object.keys(imports?.kerasActivation ?? {});
    return Object.keys(imports?.keras ?? {}).map((layer) => [layer, name ?? layer] as const);
  }),
]);
