import type { z } from 'zod';
import type { GraphEmitter, GraphValue } from '../formats/graph.ts';
import type { KerasEmitter, KerasValue } from '../formats/keras.ts';
import type { OnnxEmitter } from '../formats/onnx.ts';
import type { Rearranged, Tensor, TensorOperations, TensorPass } from '../formats/tensorflow.ts';
import type { Border, Shape } from '../shape.ts';
import type { Emit, Value } from './emit.ts';
import type { LayerLayout, LayerSpec, Parts, PlacedLayer, TensorSpec } from './placed-layer.ts';

/** Multiplications with additions of one sample (docs/kernel.md). */
export interface Macs {
  readonly forward: number;
  /** The gradient of the input, which the first layer doesn't need. */
  readonly input: number;
  /** The gradient of the weights. */
  readonly weight: number;
}

export const NO_MACS: Macs = { forward: 0, input: 0, weight: 0 };

/** What a layer wants of the memory of the values that it reads and writes. */
export interface Needs {
  /** The zeros around each map of its inputs. */
  readonly border?: Border;
  /** The same, around its output's delta. */
  readonly deltaBorder?: Border;
  /** Its backward pass reads its output. */
  readonly keepsOutput?: boolean;
  /** Its output may overwrite its first input, and its first input's delta its output's. */
  readonly inPlace?: boolean;
}

export interface ForwardValues {
  readonly inputs: readonly Value[];
  readonly output: Value;
}

export interface BackwardValues extends ForwardValues {
  /** The output's delta, which may be overwritten if the layer works in place. */
  readonly delta: Value;
  /** The inputs' deltas, written; undefined if nobody needs one. */
  readonly inputDeltas: readonly (Value | undefined)[];
}

/** Weights [kernels][height][width], a kernel for each pair of an output map and one of the inputs that feed it. */
export interface Kernels {
  readonly height: number;
  readonly width: number;
  /** Per output map, the input maps that feed it, in the kernels' order. */
  readonly inputsOf: readonly (readonly number[])[];
}

type ZodModule = typeof z;

/** What makes fields of specs. The browser's pages do without it, so it is passed on instead of imported. */
export interface Zod extends ZodModule {}

/** The kinds of fields of specs. */
export type Fields = Readonly<Record<string, z.ZodType>>;

/** The fields of a layer of this kind. @param number reads a number of what is imported; the second argument stands for an absent one */
export type ReadFields = (number: (name: string, otherwise: number) => number) => Readonly<Record<string, unknown>>;

/** What becomes one layer of this kind, by its name there; src/inspect/import has what takes more than that. */
export interface Imports {
  /** Operators of ONNX. */
  readonly onnx?: Readonly<Record<string, ReadFields>>;
  /** Classes of layers of Keras. */
  readonly keras?: Readonly<Record<string, ReadFields>>;
  /** Functions that a Keras layer's `activation` names. */
  readonly kerasActivation?: Readonly<Record<string, ReadFields>>;
}

/**
 * A layer in other systems, forward. Values are stacks, and vectors where a stack has but one row and column; those who call
 * these functions turn the one into the other as the kind `takes` them, and outputs back.
 */
export interface Formats<S extends LayerSpec, T extends string> {
  /** The forward pass in TensorFlow.js, whose gradients check the kernel's. */
  tfjs(
    tf: TensorOperations,
    layer: LayerLayout<S>,
    x: readonly Tensor[],
    parameters: Parts<T, Tensor>,
    pass: TensorPass,
  ): Tensor;
  /** The tensors that TensorFlow.js has in another order. */
  rearranged?(layer: LayerLayout<S>): Partial<Parts<T, Rearranged>>;
  /** @returns the name of the output */
  onnx(graph: OnnxEmitter, layer: LayerLayout<S>, x: readonly string[], weights: Parts<T, Float32Array>): string;
  /** @returns the name of the Keras layer that has the output */
  keras(keras: KerasEmitter, layer: LayerLayout<S>, x: readonly KerasValue[], weights: Parts<T, Float32Array>): string;
  graph(
    graph: GraphEmitter,
    layer: LayerLayout<S>,
    x: readonly GraphValue[],
    variables: Parts<T, GraphValue>,
  ): GraphValue;
  readonly imports?: Imports;
}

/**
 * A kind of layer: all that it is, apart from its numerics in the kernel. `S` is its spec, `T` the names of its tensors.
 * Specs are data and name their kind; kinds.ts finds this by the kind's name.
 */
export interface Layer<S extends LayerSpec = LayerSpec, T extends string = string> extends Formats<S, T> {
  readonly kind: S['kind'];
  /** The kind as people read it. */
  readonly text: string;
  /** What the output is for people, if that isn't plain from its shape. */
  readonly outputText?: string;
  /** In other systems it takes one alone: a stack is flattened before it, map by map, or a vector becomes maps of one value. */
  readonly takes?: 'stacks' | 'vectors';
  /** In other systems its output is a vector even though it takes stacks. */
  readonly gives?: 'vectors';
  /** Its output's values come from the values at their places alone, so that any order of them will do. */
  readonly isElementwise?: boolean;
  /** The number of its function in the kernel (src/kernel/activations.ts), if it is made by `activation`. */
  readonly activation?: number;
  /** People look at its output in place of its input's, as one layer with it: an activation, a norm, padding. */
  readonly refines?: boolean;
  /** The fewest and the most inputs; 1 and 1 if absent. */
  readonly arity?: readonly [min: number, max: number];

  /** The fields of its spec but for kind, name and inputs. */
  fields(zod: Zod): Fields;
  /** The shape of the output. @throws ModelError if the layer doesn't fit its inputs */
  shape(spec: S, inputs: readonly Shape[]): Shape;
  /** Its tensors in the flat order of checkpoints and hashes; state comes behind everything else. */
  tensors(layer: PlacedLayer<S>): readonly TensorSpec<T>[];
  /** As LeCun et al. count them. */
  connections?(layer: PlacedLayer<S>): number;
  macs(layer: PlacedLayer<S>): Macs;
  /** Where the kernels of its tensor `weight` belong, if they are small pictures; undefined if they aren't. */
  kernels?(layer: PlacedLayer<S>): Kernels | undefined;

  /** The gradient of its weights is taken for a group of shards at once, from what their blocks have kept. */
  readonly keepsBlocks?: boolean;
  needs?(layer: PlacedLayer<S>): Needs;
  /** Emits the operations of a block of samples. @param training otherwise for evaluation: no dropout, running statistics */
  forward(emit: Emit, layer: LayerLayout<S>, values: ForwardValues, training: boolean): void;
  backward(emit: Emit, layer: LayerLayout<S>, values: BackwardValues): void;
}
