import type { GraphEmitter, GraphValue } from '../formats/graph.ts';
import type { KerasLayer } from '../formats/keras.ts';
import type { OnnxEmitter } from '../formats/onnx.ts';
import type { Rearranged, Tensor, TensorOperations } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';

/** What the spec of every layer has. */
export interface NamedSpec {
  readonly kind: string;
  /** The name that its tensors carry. */
  readonly name: string;
}

/** A layer in its place in a model. */
export interface PlacedLayer<S extends NamedSpec = NamedSpec> {
  readonly spec: S;
  readonly input: Shape;
  readonly output: Shape;
}

/** A parameter tensor of a layer. */
export interface TensorSpec<T extends string = string> {
  /** Its name within the layer, such as weight. */
  readonly part: T;
  readonly shape: readonly number[];
  /** Per leading index, how many inputs one output sums over; empty or absent if the tensor isn't initialized at random. */
  readonly fanIn?: readonly number[];
  /** The first value of its elements if they aren't random; 0 if absent. */
  readonly fill?: number;
}

/** A named tensor inside the flat parameter vector. */
export interface TensorLayout extends Required<TensorSpec> {
  /** The layer's name and the part's, such as c1.weight. */
  readonly name: string;
  /** First element in the flat vector. */
  readonly offset: number;
  readonly size: number;
}

export interface LayerLayout<S extends NamedSpec = NamedSpec> extends PlacedLayer<S> {
  readonly tensors: readonly TensorLayout[];
  readonly parameters: number;
  readonly connections: number;
  /** Convolutions: per output map, the input maps that feed it, ascending. A kernel's index in the weight tensor counts these. */
  readonly inputsOf: readonly (readonly number[])[];
}

/** A value for each tensor of a layer, by its name within the layer. */
export type Parts<T extends string, V> = Readonly<Record<T, V>>;

/** Multiplications with additions of one sample, in the fused form (docs/kernel.md). */
export interface Macs {
  readonly forward: number;
  /** The gradient of the input, which the first layer doesn't need. */
  readonly input: number;
  /** The gradient of the weights. */
  readonly weight: number;
}

/**
 * A kind of layer: all that it is, apart from its numerics in the kernel. `S` is its spec, `T` the names of its tensors.
 * Specs are data and name their kind; registry.ts finds this by the kind's name.
 */
export interface Layer<S extends NamedSpec = NamedSpec, T extends string = string> {
  readonly kind: S['kind'];
  /** The kind as people read it. */
  readonly text: string;
  /** What the output is for people, if that isn't plain from its shape. */
  readonly outputText?: string;
  /** It takes vectors: a map stack is flattened before it, map by map. */
  readonly takesVectors?: boolean;

  /** The shape of the output. @throws ModelError if the layer doesn't fit its input */
  shape(spec: S, input: Shape): Shape;
  /** Its tensors in the flat order of checkpoints and hashes. */
  tensors(layer: PlacedLayer<S>): readonly TensorSpec<T>[];
  /** As LeCun et al. count them. */
  connections(layer: PlacedLayer<S>): number;
  inputsOf?(layer: PlacedLayer<S>): LayerLayout['inputsOf'];
  macs(layer: LayerLayout<S>): Macs;

  /** The forward pass in TensorFlow.js, whose gradients check the kernel's. */
  tfjs(tf: TensorOperations, layer: LayerLayout<S>, x: Tensor, parameters: Parts<T, Tensor>): Tensor;
  /** The tensors that TensorFlow.js has in another order. */
  rearranged?(layer: LayerLayout<S>): Partial<Parts<T, Rearranged>>;
  /** @returns the name of the output */
  onnx(graph: OnnxEmitter, layer: LayerLayout<S>, x: string, weights: Parts<T, Float32Array>): string;
  keras(layer: LayerLayout<S>, weights: Parts<T, Float32Array>): readonly KerasLayer[];
  graph(graph: GraphEmitter, layer: LayerLayout<S>, x: GraphValue, variables: Parts<T, GraphValue>): GraphValue;
}

/** `value` of each of a layer's tensors. */
export function partsOf<V>({ tensors }: LayerLayout, value: (tensor: TensorLayout) => V): Parts<string, V> {
  return Object.fromEntries(tensors.map((tensor) => [tensor.part, value(tensor)]));
}
