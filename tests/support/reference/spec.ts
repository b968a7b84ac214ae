// What the reference reads of a network: plain objects, as a spec is after parsing.

/** A map stack [maps][height][width]; a vector is [units][1][1]. */
export interface Shape {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** [height, width] of a kernel, a window or a stride. */
export type Pair = readonly [number, number];
/** Positions around a map: [top, left, bottom, right]. */
export type Border = readonly [number, number, number, number];
/** "same" gives ceil(input / stride) outputs and puts the odd position at the bottom and the right, as TensorFlow does. */
export type Padding = 'valid' | 'same' | Border;

interface Named<K extends string> {
  readonly name: string;
  readonly kind: K;
  /** Names of earlier layers; "input" is the network's input. */
  readonly inputs: readonly string[];
}

export interface ConvSpec extends Named<'conv'> {
  readonly maps: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly groups: number;
  /** Per input map, the output maps that it feeds; all of its group's if absent. */
  readonly table?: readonly (readonly number[])[] | undefined;
  readonly bias: boolean;
}

export interface PoolSpec extends Named<'max-pool' | 'average-pool'> {
  readonly size: Pair;
  /** As the size if absent. */
  readonly stride?: Pair | undefined;
  readonly padding: Padding;
}

export interface DenseSpec extends Named<'dense'> {
  readonly units: number;
  readonly bias: boolean;
}

export interface LeakyReluSpec extends Named<'leaky-relu'> {
  readonly slope: number;
}

export interface BatchNormSpec extends Named<'batch-norm'> {
  readonly momentum: number;
  readonly epsilon: number;
}

export interface GroupNormSpec extends Named<'group-norm'> {
  readonly groups: number;
  readonly epsilon: number;
}

export interface LayerNormSpec extends Named<'layer-norm'> {
  readonly epsilon: number;
}

export interface DropoutSpec extends Named<'dropout'> {
  readonly rate: number;
}

export interface ZeroPadSpec extends Named<'zero-pad'> {
  readonly padding: Border;
}

export interface RescaleSpec extends Named<'rescale'> {
  readonly scale: number;
  readonly offset: number;
}

export type LayerSpec =
  | ConvSpec
  | PoolSpec
  | DenseSpec
  | LeakyReluSpec
  | BatchNormSpec
  | GroupNormSpec
  | LayerNormSpec
  | DropoutSpec
  | ZeroPadSpec
  | RescaleSpec
  | Named<'subsample'>
  | Named<'global-average-pool'>
  | Named<'flatten'>
  | Named<'relu'>
  | Named<'tanh'>
  | Named<'scaled-tanh'>
  | Named<'sigmoid'>
  | Named<'add'>
  | Named<'concat'>;

export type HeadSpec =
  | { readonly kind: 'softmax'; readonly labelSmoothing?: number; readonly classWeights?: readonly number[] }
  /** Targets [classes][units of the last layer]. */
  | { readonly kind: 'rbf'; readonly targets: readonly (readonly number[])[]; readonly j: number }
  | { readonly kind: 'sigmoid' }
  | { readonly kind: 'mse' };

/** What training has as loss in place of the head's own, as PyTorch's `weight` and `label_smoothing`; a sum over samples. */
export interface TrainingLoss {
  readonly labelSmoothing: number;
  readonly classWeights?: readonly number[];
}

export interface NetworkSpec {
  readonly name: string;
  readonly input: Shape;
  readonly layers: readonly LayerSpec[];
  readonly head: HeadSpec;
}
