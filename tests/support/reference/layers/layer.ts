import type { LayerSpec, Shape } from '../spec.ts';

/** A sample's values [maps][height][width], row by row. */
export type Values = Float64Array;

export interface TensorShape {
  readonly part: string;
  readonly shape: readonly number[];
  /** Summed over the samples of a batch, not differentiated. */
  readonly state?: boolean;
}

/** A layer in front of a block: samples that pass through the network together, at most 8 of them. */
export interface Pass<S> {
  readonly spec: S;
  /** The layer's place among the spec's layers, from 0. */
  readonly place: number;
  readonly inputShapes: readonly Shape[];
  readonly outputShape: Shape;
  /** Per input, per sample. */
  readonly inputs: readonly (readonly Values[])[];
  readonly training: boolean;
  /** The layer's tensors stay as they are. */
  readonly frozen: boolean;
  readonly seed: number;
  /** Per sample, its position in the stream of training samples. */
  readonly positions: readonly number[];
  /** One of the layer's own tensors. */
  parameter(part: string): Float64Array;
}

export interface BackwardPass<S> extends Pass<S> {
  /** Per sample, what the forward pass gave. */
  readonly outputs: readonly Values[];
  /** Per sample, the loss differentiated by the outputs. */
  readonly deltas: readonly Values[];
  /** The gradient of one of the layer's own tensors, to be added to. */
  gradient(part: string): Float64Array;
}

/** A kind of layer: `backward` is called in training only and returns the loss differentiated by each input of each sample. */
export interface Layer<S = LayerSpec> {
  shape(spec: S, inputs: readonly Shape[]): Shape;
  tensors?(spec: S, inputs: readonly Shape[]): readonly TensorShape[];
  forward(pass: Pass<S>): Values[];
  backward(pass: BackwardPass<S>): Values[][];
}

/** A kind whose samples pass through alone, from one input. */
interface SampleLayer<S> {
  shape(spec: S, input: Shape): Shape;
  tensors?(spec: S, input: Shape): readonly TensorShape[];
  /** @param sample its place in the block */
  forward(pass: Pass<S>, x: Values, sample: number): Values;
  backward(pass: BackwardPass<S>, x: Values, y: Values, dy: Values, sample: number): Values;
}

export function eachSample<S>(kind: SampleLayer<S>): Layer<S> {
  return {
    shape: (spec, inputs) => kind.shape(spec, first(inputs)),
    tensors: (spec, inputs) => kind.tensors?.(spec, first(inputs)) ?? [],
    forward: (pass) => first(pass.inputs).map((x, n) => kind.forward(pass, x, n)),
    backward: (pass) => [
      first(pass.inputs).map((x, n) => kind.backward(pass, x, pass.outputs[n] as Values, pass.deltas[n] as Values, n)),
    ],
  };
}

export function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new RangeError('A layer has no input.');
  return item;
}

export function sizeOf({ maps, height, width }: Shape): number {
  return maps * height * width;
}

/** The map of a place in [maps][height][width]. */
export function mapOf(place: number, { height, width }: Shape): number {
  return Math.floor(place / (height * width));
}
