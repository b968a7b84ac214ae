import type { z } from 'zod';
import { type HEAD_KINDS, LAYER_KINDS } from '../../shared/model/kinds.ts';
import { layoutOf } from '../../shared/model/layout.ts';
import { parseModel } from '../../shared/model/parse.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { vector } from '../../shared/model/shape.ts';
import type { Initialization, ModelSpec } from '../../shared/model/spec.ts';

type KindOfLayer = (typeof LAYER_KINDS)[number];
type KindOfHead = (typeof HEAD_KINDS)[number];

type HasFields = { fields(zod: never): Readonly<Record<string, z.ZodType>> };

/** What the fields of a kind may be given as. */
type FieldsOf<K extends HasFields> = keyof ReturnType<K['fields']> extends never
  ? unknown
  : Readonly<z.input<z.ZodObject<ReturnType<K['fields']>>>>;

/** `global-average-pool` is `globalAveragePool`. */
type CamelCase<S extends string> = S extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : S;

/** What every layer may be given. */
export interface LayerPlace {
  /** Names its tensors (default: the kind and the layer's place, counted from 1, such as `conv1`). */
  readonly name?: string;
  /** Names of the layers that it reads (default: the layer before it). `input` is the samples. */
  readonly inputs?: readonly string[];
}

/** A layer of a model's definition; `layers` makes them. */
export interface LayerDefinition extends LayerPlace {
  readonly kind: KindOfLayer['kind'];
}

/** The options of a kind of layer; docs/models.md lists them all. */
export type LayerOptions<Kind extends KindOfLayer['kind']> = LayerPlace & FieldsOf<KindOf<Kind, KindOfLayer>>;

/** The kind of this name; some have several. Distributes over `All`. */
type KindOf<Kind, All> = All extends HasFields & { readonly kind: infer Own }
  ? Kind extends Own
    ? All
    : never
  : never;

/** A function for each kind of layer. */
export type Layers = {
  readonly [Kind in KindOfLayer['kind'] as CamelCase<Kind>]: Record<never, never> extends LayerOptions<Kind>
    ? (options?: LayerOptions<Kind>) => LayerDefinition
    : (options: LayerOptions<Kind>) => LayerDefinition;
};

/**
 * Makes layers for `defineModel`: a function for each kind, such as `layers.conv({ maps: 16, kernel: 3, padding: 'same' })`,
 * `layers.relu()` or `layers.add({ inputs: ['conv1', 'conv3'] })`. docs/models.md has the kinds and their options.
 */
export const layers = Object.fromEntries(
  LAYER_KINDS.map(({ kind }) => [camelCase(kind), (options: object = {}) => ({ kind, ...options })]),
) as unknown as Layers;

function camelCase(kind: string): string {
  return kind.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

type HeadDefinition<All = KindOfHead> = All extends HasFields & { readonly kind: infer Kind }
  ? Kind | ({ readonly kind: Kind } & FieldsOf<All>)
  : never;

/** A network: its samples, its layers in order, and what its outputs mean. */
export interface ModelDefinition {
  /** Names the model in run.json, metrics and exports (default: `model`). */
  readonly name?: string;
  /** One sample: maps, rows and columns, such as a data set has them, or so many features. */
  readonly input: Shape | number;
  readonly layers: readonly LayerDefinition[];
  /** What the outputs mean: classes (`softmax`, `rbf`), labels (`sigmoid`) or numbers (`mse`); default: `softmax`. */
  readonly head?: HeadDefinition;
  /** What weight decay falls on: not on biases and norms (default), or on all. */
  readonly decay?: ModelSpec['decay'];
  /** Bounds of the initial weights (default: `he-uniform`). */
  readonly initialization?: Initialization;
}

/**
 * Checks a network's definition and every shape in it.
 * @returns the spec: plain JSON, as `model` of `train` takes it, and as a file for `lockstep train --model FILE`
 * @throws ModelError that names the layer and the field
 */
export function defineModel({ name = 'model', input, ...rest }: ModelDefinition): ModelSpec {
  const { maps, height, width } = typeof input === 'number' ? vector(input) : input;
  const spec = parseModel({ name, input: { maps, height, width }, ...rest }, undefined, name);
  layoutOf(spec);
  return spec;
}
