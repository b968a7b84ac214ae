import { z } from 'zod';
import { kindOf } from '../../shared/model/kinds.ts';
import { INPUT, type LayerSpec } from '../../shared/model/layers/placed-layer.ts';
import { layoutOf } from '../../shared/model/layout.ts';
import { MAX_LAYERS, parseModel } from '../../shared/model/parse.ts';
import { isVector, type Shape, shapeSize, shapeText, vector } from '../../shared/model/shape.ts';
import { ModelError } from '../../shared/util/errors.ts';
import type { LazyTensor } from './arrays.ts';
import type { ModelFile } from './model-file.ts';
import { NameTable, quoted } from './names.ts';

/** A layer or node as its file has it: errors name it. */
export interface Origin {
  readonly name: string;
  readonly kind: string;
}

/** What a layer of the new model makes, or its input. */
export interface Value {
  /** The layer's name. */
  readonly layer: string;
  readonly shape: Shape;
  /** The file has a vector here, where the new model may still have a stack: dense layers flatten by themselves. */
  readonly isFlat?: boolean;
  /**
   * Of a vector that the file orders otherwise: the stacks, one behind the other, whose values it has map by map inside of
   * each position; the new model's vector has them position by position inside of each map.
   */
  readonly channelsLast?: readonly Shape[] | undefined;
  /** The file applies a softmax here, which is the head's part in the new model. */
  readonly isSoftmax?: boolean;
}

export type Fields = Readonly<Record<string, unknown>>;
export type Weights = Readonly<Record<string, LazyTensor | undefined>>;

interface BuiltLayer {
  readonly origin: Origin;
  spec: LayerSpec & Fields;
  weights: Weights;
}

/** Enough for 64 MiB of float32, the largest file that is read. */
const MAX_PARAMETERS = 2 ** 24;
const MAX_VALUES = 2 ** 24;
/** Samples are bytes divided by this; files that divide by it themselves expect the bytes. */
const MAX_BYTE = 255;
const BYTE_SCALE = 1 / 64;

/** Makes a spec layer by layer, in an order in which each one comes after those that it reads. */
export class ModelBuilder {
  readonly input: Value;
  readonly #source: string;
  readonly #layers = new Map<string, BuiltLayer>();
  readonly #names = new NameTable([INPUT]);
  readonly #flattened = new Map<string, Value>();
  readonly #warnings = new Set<string>();
  #parameters = 0;

  /** @param source named in errors */
  constructor(source: string, input: Shape) {
    this.#source = source;
    this.input = { layer: INPUT, shape: input };
    const isWhole = Object.values(input).every((side) => Number.isSafeInteger(side) && side >= 1);
    if (!isWhole || shapeSize(input) > MAX_VALUES)
      throw new ModelError(`${source}: its input ${shapeText(input)} isn't one that a model can have.`);
  }

  fail({ name, kind }: Origin, problem: string): ModelError {
    return new ModelError(`${this.#source}: ${quoted(name)} (${quoted(kind)}): ${problem}`);
  }

  warn(text: string): void {
    this.#warnings.add(text);
  }

  /**
   * Adds a layer.
   * @param name what it is called if that is free
   * @throws ModelError if its fields or inputs don't fit
   */
  add(
    origin: Origin,
    kind: string,
    fields: Fields,
    inputs: readonly Value[],
    weights: Weights = {},
    name = origin.name,
  ) {
    if (this.#layers.size >= MAX_LAYERS) throw this.fail(origin, `${MAX_LAYERS} layers are the most.`);
    const from = inputs.map((value) => this.#readable(origin, kind, value));
    const spec = {
      name: this.#names.unique(name, kind),
      kind,
      inputs: from.map(({ layer }) => layer),
      ...this.#checked(origin, kind, fields),
    };
    const shapes = from.map(({ shape }) => shape);
    const shape = this.#shapeOf(origin, spec, shapes);
    this.#count(origin, spec, shapes, shape);
    this.#layers.set(spec.name, { origin, spec, weights });
    return { layer: spec.name, shape } satisfies Value;
  }

  /** A layer of dense weights is given the bias that its file adds behind it. */
  addBias({ layer }: Value, bias: LazyTensor): void {
    const built = this.#layers.get(layer) as BuiltLayer;
    built.spec = { ...built.spec, bias: true };
    built.weights = { ...built.weights, bias };
  }

  /** Scale and offset of single numbers. At the model's input they are taken back to samples from 0 to 1. */
  rescale(origin: Origin, value: Value, scale: number, offset: number): Value {
    const isOfBytes = value.layer === INPUT && Math.abs(scale) <= BYTE_SCALE;
    if (isOfBytes)
      this.warn(
        `${quoted(origin.name)} scales by ${scale}, so the file takes samples of 0 to 255. Here they are 0 to 1: it scales by ${scale * MAX_BYTE}.`,
      );
    return this.add(origin, 'rescale', { scale: isOfBytes ? scale * MAX_BYTE : scale, offset }, [value]);
  }

  /** The stack as the file's vector. */
  flat(value: Value, channelsLast?: readonly Shape[]): Value {
    const isPlain = channelsLast?.every((shape) => shape.maps === 1 || isVector(shape)) ?? true;
    return { ...value, isFlat: true, channelsLast: isPlain ? undefined : channelsLast };
  }

  /**
   * @param output what the file's model gives
   * @param loss the head, if the file says with which loss it was trained
   * @throws ModelError if the layers aren't a model, or if weights don't fit them
   */
  finish(name: string, output: Value, loss?: 'softmax' | 'sigmoid' | 'mse'): ModelFile {
    const origin = this.#layers.get(output.layer)?.origin ?? { name: INPUT, kind: 'input' };
    if (output.channelsLast !== undefined)
      throw this.fail(
        origin,
        'the model ends with values in an order that has no meaning here. End with a dense layer.',
      );
    const isSoftmax = output.isSoftmax === true;
    let last = this.#stack({ ...output, isSoftmax: false });
    const spec = this.#layers.get(last.layer)?.spec;
    const isSigmoid = !isSoftmax && loss !== 'mse' && spec?.kind === 'sigmoid';
    // The head has its sigmoid.
    if (isSigmoid) last = { ...last, layer: spec.inputs[0] as string };
    const head = isSoftmax ? 'softmax' : isSigmoid ? 'sigmoid' : this.#guessed(last, loss);
    const layers = this.#leadingTo(last.layer);
    if (layers.length === 0) throw new ModelError(`${this.#source}: the model has no layers.`);
    const json = { name: new NameTable([]).unique(name, 'model'), layers: layers.map(({ spec }) => spec), head };
    return { spec: this.#withInput(json), weights: this.#weights(json, layers), warnings: [...this.#warnings] };
  }

  #readable(origin: Origin, kind: string, value: Value): Value {
    if (value.isSoftmax)
      throw this.fail(origin, 'it reads the output of a softmax, which is known only at the end of a model.');
    return kind === 'dense' ? value : this.#stack(value);
  }

  /** A vector that was only marked becomes one. */
  #stack(value: Value): Value {
    if (!value.isFlat || isVector(value.shape)) return value;
    const known = this.#flattened.get(value.layer);
    const flattened =
      known ??
      this.add({ name: `${value.layer}_flatten`, kind: 'flatten' }, 'flatten', {}, [
        { layer: value.layer, shape: value.shape },
      ]);
    this.#flattened.set(value.layer, flattened);
    return { ...value, ...flattened };
  }

  #checked(origin: Origin, kind: string, fields: Fields): Fields {
    const parsed = schemaOf(kind).safeParse(fields);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw this.fail(origin, `${issue?.path.join('.')}: ${issue?.message}.`);
  }

  #shapeOf(origin: Origin, spec: LayerSpec, inputs: readonly Shape[]): Shape {
    const shape = wrapped(
      () => kindOf(spec).shape(spec, inputs),
      (message) => this.fail(origin, message),
    );
    if (shapeSize(shape) <= MAX_VALUES) return shape;
    throw this.fail(origin, `its output ${shapeText(shape)} has more than ${MAX_VALUES} values.`);
  }

  #count(origin: Origin, spec: LayerSpec, inputs: readonly Shape[], output: Shape): void {
    for (const { shape } of kindOf(spec).tensors({ spec, inputs, output }))
      this.#parameters += shape.reduce((product, side) => product * side, 1);
    if (this.#parameters <= MAX_PARAMETERS) return;
    throw this.fail(
      origin,
      `with its ${this.#parameters} parameters are more than the ${MAX_PARAMETERS} that are read.`,
    );
  }

  #guessed({ shape }: Value, loss: 'softmax' | 'sigmoid' | 'mse' | undefined): string {
    const head = loss ?? (shapeSize(shape) === 1 ? 'mse' : 'softmax');
    if (loss === undefined)
      this.warn(
        `The file doesn't say what its ${shapeSize(shape)} outputs are: the head is ${head}. "head" in the spec changes it.`,
      );
    return head;
  }

  /** What the output depends on, in order. */
  #leadingTo(last: string): BuiltLayer[] {
    const wanted = new Set([last]);
    const layers = [...this.#layers.values()].reverse().filter(({ spec }) => {
      if (!wanted.has(spec.name)) return false;
      for (const input of spec.inputs) wanted.add(input);
      return true;
    });
    return layers.reverse();
  }

  /** A model of vectors takes samples of any shape with as many values: its input is left to the data set. */
  #withInput(json: { readonly name: string; readonly layers: readonly LayerSpec[]; readonly head: string }): Fields {
    const { shape } = this.input;
    if (!isVector(shape) || shape.maps === 1) return { ...json, input: shape };
    this.warn(`The model takes vectors of ${shape.maps} values: samples are flattened, map by map.`);
    const readers = json.layers.filter(({ inputs }) => inputs.includes(INPUT));
    if (readers.every(({ kind }) => kind === 'dense')) return { ...json };
    const name = this.#names.unique('flatten', 'flatten');
    const layers = json.layers.map((layer) => ({
      ...layer,
      inputs: layer.inputs.map((input) => (input === INPUT ? name : input)),
    }));
    return { ...json, layers: [{ name, kind: 'flatten', inputs: [INPUT] }, ...layers] };
  }

  #weights(json: object, layers: readonly BuiltLayer[]): Map<string, Float32Array> {
    const layout = layoutOf(parseModel({ ...json, input: this.input.shape }, undefined, this.#source));
    const weights = new Map<string, Float32Array>();
    for (const [i, { origin, weights: own }] of layers.entries()) {
      for (const { part, name, shape } of layout.layers[i]?.tensors ?? []) {
        const tensor = own[part];
        if (tensor === undefined) continue;
        if (tensor.shape.join() !== shape.join()) {
          const [is, expected] = [tensor.shape, shape].map((sides) => sides.join('x'));
          throw this.fail(origin, `its ${part} has the shape ${is}, but its inputs ask for ${expected}.`);
        }
        weights.set(name, tensor.values());
      }
    }
    return weights;
  }
}

const SCHEMAS = new Map<string, z.ZodType<Fields>>();

/** The fields of a kind; made once, which takes longer than to use it. */
function schemaOf(kind: string): z.ZodType<Fields> {
  const schema = SCHEMAS.get(kind) ?? z.strictObject(kindOf({ kind, name: kind, inputs: [] }).fields(z));
  SCHEMAS.set(kind, schema);
  return schema;
}

/** Runs `work` and words its ModelErrors anew. */
function wrapped<T>(work: () => T, reword: (message: string) => ModelError): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof ModelError) throw reword(error.message);
    throw error;
  }
}

/** The file's position of each value of the new model's vector. */
export function positionsOf(channelsLast: readonly Shape[]): Int32Array {
  const positions = new Int32Array(channelsLast.reduce((sum, shape) => sum + shapeSize(shape), 0));
  let [next, first] = [0, 0];
  for (const { maps, height, width } of channelsLast) {
    for (let map = 0; map < maps; map++) {
      for (let i = 0; i < height * width; i++) positions[next++] = first + i * maps + map;
    }
    first += maps * height * width;
  }
  return positions;
}

/** The stacks in a vector, as `channelsLast` lists them. */
export function orderOf({ shape, channelsLast }: Value): readonly Shape[] {
  return channelsLast ?? [vector(shapeSize(shape))];
}
