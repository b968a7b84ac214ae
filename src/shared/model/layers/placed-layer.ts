import type { Shape } from '../shape.ts';

/** What the spec of every layer has. */
export interface LayerSpec {
  readonly kind: string;
  /** The name that its tensors carry. */
  readonly name: string;
  /** The layers whose outputs it reads; INPUT is the model's own. */
  readonly inputs: readonly string[];
}

/** A layer in its place in a model. */
export interface PlacedLayer<S extends LayerSpec = LayerSpec> {
  readonly spec: S;
  readonly inputs: readonly Shape[];
  readonly output: Shape;
}

/**
 * What happens to a tensor: weight decay falls on weights, and on biases and norms only if the spec says so; state isn't
 * optimized, but follows what the shards sum up in it.
 */
export type TensorRole = 'weight' | 'bias' | 'norm' | 'state';

/** A parameter tensor of a layer. */
export interface TensorSpec<T extends string = string> {
  /** Its name within the layer, such as weight. */
  readonly part: T;
  readonly shape: readonly number[];
  readonly role: TensorRole;
  /** How many inputs one output sums over, for as many equal parts of the tensor; empty or absent if it isn't initialized at random. */
  readonly fanIn?: readonly number[];
  /** The first value of its elements if they aren't random; 0 if absent. */
  readonly fill?: number;
  /** Of state: the share of a new observation in the running value. */
  readonly momentum?: number;
}

/** A named tensor inside the flat parameter vector. */
export interface TensorLayout extends Required<TensorSpec> {
  /** The layer's name and the part's, such as c1.weight. */
  readonly name: string;
  /** First element in the flat vector. */
  readonly offset: number;
  readonly size: number;
}

export interface LayerLayout<S extends LayerSpec = LayerSpec> extends PlacedLayer<S> {
  /** From 0, in the spec. */
  readonly place: number;
  /** Per input, the place of the layer that makes it; -1 for the model's input. */
  readonly sources: readonly number[];
  readonly tensors: readonly TensorLayout[];
  readonly parameters: number;
  /** Its tensors stay as they are. */
  readonly frozen: boolean;
}

/** A value for each tensor of a layer, by its name within the layer. */
export type Parts<T extends string, V> = Readonly<Record<T, V>>;

/** The name of the model's input among a layer's inputs. */
export const INPUT = 'input';

/** `value` of each of a layer's tensors. */
export function partsOf<V>({ tensors }: LayerLayout, value: (tensor: TensorLayout) => V): Parts<string, V> {
  return Object.fromEntries(tensors.map((tensor) => [tensor.part, value(tensor)]));
}

/** A layer's tensor by its name within the layer; undefined if it has none, such as a bias that is left out. */
export function tensorOf({ tensors }: LayerLayout, part: string): TensorLayout | undefined {
  return tensors.find((tensor) => tensor.part === part);
}
