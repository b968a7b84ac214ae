/**
 * A model is data: layers in order, each with the name that its tensors carry. Shapes, parameters, connections and the
 * memory plan are derived from it (layout.ts); the kernel, the reference and other backends read the same spec.
 */
export interface ModelSpec {
  readonly name: string;
  readonly input: InputSpec;
  readonly layers: readonly LayerSpec[];
  readonly head: HeadSpec;
}

/** Bytes [height][width], scaled to 0..1 and zero-padded by `padding` pixels on every side. */
export interface InputSpec {
  readonly height: number;
  readonly width: number;
  readonly padding: number;
}

export type LayerSpec = ConvSpec | SubsampleSpec | DenseSpec;
export type Activation = 'relu' | 'scaled-tanh';

/** LeCun et al. 1998, appendix A: f(a) = A tanh(S a). */
export const TANH_AMPLITUDE = 1.7159;
export const TANH_SLOPE = 2 / 3;

/** A square convolution of stride 1 without padding or activation; always followed by a subsampling layer. */
export interface ConvSpec {
  readonly kind: 'conv';
  readonly name: string;
  /** Output maps. */
  readonly maps: number;
  /** Rows and columns of a kernel. */
  readonly kernel: number;
  /** Per input map, the output maps that it feeds; all of them if absent. */
  readonly table?: readonly (readonly number[])[];
}

/** The sum of each 2x2 window, times the map's coefficient, plus the map's bias, then ReLU. */
export interface SubsampleSpec {
  readonly kind: 'subsample';
  readonly name: string;
}

export interface DenseSpec {
  readonly kind: 'dense';
  readonly name: string;
  readonly units: number;
  readonly activation: Activation;
}

/** Classes by softmax over a dense layer, with cross-entropy loss. */
export interface SoftmaxHeadSpec {
  readonly kind: 'softmax';
  readonly name: string;
  readonly classes: number;
}

/**
 * Classes by squared distance to fixed targets of -1 and +1; the lowest wins. LeCun's MAP loss:
 * E = y_D + log(e^-j + sum_i e^-y_i). Predicted probabilities are softmax(-y). No trainable parameters.
 */
export interface RbfHeadSpec {
  readonly kind: 'rbf';
  readonly name: string;
  readonly classes: number;
  /** [classes][units of the last layer], each -1 or +1. */
  readonly targets: readonly (readonly number[])[];
  readonly j: number;
}

export type HeadSpec = SoftmaxHeadSpec | RbfHeadSpec;
