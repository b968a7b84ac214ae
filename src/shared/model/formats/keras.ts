/** A layer of Keras, by the name of its class there, with its weights. */
export interface KerasLayer {
  readonly className: string;
  readonly config: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly weights?: readonly KerasWeight[];
}

export interface KerasWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** A convolution's settings that are the same for all. */
export const CHANNELS_LAST = { data_format: 'channels_last', dilation_rate: [1, 1], padding: 'valid' };
