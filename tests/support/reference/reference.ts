import type { ModelLayout } from '#src/shared/model/layout.js';
import type { InputSpec } from '#src/shared/model/spec.js';
import { at } from './arrays.ts';
import { type HeadLoss, headLoss } from './heads.ts';
import { layerBackward, layerForward } from './layers.ts';

export interface ReferenceSample {
  /** Bytes [height][width]. */
  readonly image: Uint8Array;
  readonly label: number;
  /** Rows down, columns right; at most the padding either way. */
  readonly shift: readonly [down: number, right: number];
}

export interface ReferenceActivations {
  /** [height][width], shifted, padded and scaled to 0..1. */
  readonly input: Float64Array;
  /** Per layer of the layout, [maps][height][width]; the head's are its logits or distances. */
  readonly outputs: readonly Float64Array[];
  readonly head: HeadLoss;
}

export interface ReferenceGradient {
  /** The sum of the samples' gradients, [parameters] in flat order. */
  readonly gradient: Float64Array;
  readonly lossSum: number;
  readonly correct: number;
  /** Per sample, its class. */
  readonly predictions: number[];
}

/**
 * Every layer's activations for each sample. The model as the paper has it, unfused and in float64, to hold faster code
 * against.
 */
export function referenceForward(
  layout: ModelLayout,
  weights: Float32Array | Float64Array,
  samples: readonly ReferenceSample[],
): ReferenceActivations[] {
  const parameters = checkedParameters(layout, weights);
  return samples.map((sample) => forwardSample(layout, parameters, sample));
}

/** Gradient, losses and classes by plain backpropagation through `referenceForward`. */
export function referenceGradient(
  layout: ModelLayout,
  weights: Float32Array | Float64Array,
  samples: readonly ReferenceSample[],
): ReferenceGradient {
  const parameters = checkedParameters(layout, weights);
  const gradient = new Float64Array(layout.parameters);
  const predictions: number[] = [];
  let lossSum = 0;
  let correct = 0;
  for (const sample of samples) {
    const activations = forwardSample(layout, parameters, sample);
    backwardSample(layout, parameters, activations, gradient);
    predictions.push(activations.head.prediction);
    lossSum += activations.head.loss;
    correct += activations.head.prediction === sample.label ? 1 : 0;
  }
  return { gradient, lossSum, correct, predictions };
}

function checkedParameters(layout: ModelLayout, weights: Float32Array | Float64Array): Float64Array {
  if (weights.length !== layout.parameters) {
    throw new RangeError(`Expected ${layout.parameters} weights, got ${weights.length}.`);
  }
  return Float64Array.from(weights);
}

function forwardSample(layout: ModelLayout, parameters: Float64Array, sample: ReferenceSample): ReferenceActivations {
  const input = paddedInput(layout.spec.input, sample);
  const outputs: Float64Array[] = [];
  let values = input;
  for (const layer of layout.layers) {
    values = layerForward(layer, parameters, values);
    outputs.push(values);
  }
  return { input, outputs, head: headLoss(layout.spec.head, values, sample.label) };
}

function backwardSample(
  layout: ModelLayout,
  parameters: Float64Array,
  activations: ReferenceActivations,
  gradient: Float64Array,
): void {
  let delta = activations.head.delta;
  for (let l = layout.layers.length - 1; l >= 0; l--) {
    const input = l === 0 ? activations.input : at(activations.outputs, l - 1);
    const output = at(activations.outputs, l);
    delta = layerBackward({ layer: at(layout.layers, l), weights: parameters, input, output, delta }, gradient);
  }
}

function paddedInput({ height, width, padding }: InputSpec, { image, shift }: ReferenceSample): Float64Array {
  if (image.length !== height * width || shift.some((pixels) => Math.abs(pixels) > padding)) {
    throw new RangeError(`Expected ${height * width} bytes shifted by at most ${padding}.`);
  }
  const [down, right] = shift;
  const paddedWidth = width + 2 * padding;
  const plane = new Float64Array(paddedWidth * (height + 2 * padding));
  for (const [i, byte] of image.entries()) {
    const row = padding + down + Math.floor(i / width);
    const column = padding + right + (i % width);
    plane[row * paddedWidth + column] = byte / 255;
  }
  return plane;
}
