import { type Activation, TANH_AMPLITUDE, TANH_SLOPE } from '#src/shared/model/layers/activation.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { addAt, at } from './arrays.ts';

type LayerLayout = ModelLayout['layers'][number];

/** What a layer's backward pass starts from; `output` is what its forward pass gave for `input`. */
export interface LayerPass {
  readonly layer: LayerLayout;
  /** [parameters of the model] */
  readonly weights: Float64Array;
  readonly input: Float64Array;
  readonly output: Float64Array;
  /** The loss differentiated by `output`. */
  readonly delta: Float64Array;
}

/** One sample through one layer: [maps][height][width] to [maps][height][width]; a softmax head gives its logits. */
export function layerForward(layer: LayerLayout, weights: Float64Array, input: Float64Array): Float64Array {
  const { spec } = layer;
  switch (spec.kind) {
    case 'conv':
      return convForward(layer, weights, input);
    case 'subsample':
      return subsampleForward(layer, weights, input);
    case 'dense':
      return denseForward(layer, weights, input).map((sum) => activate(spec.activation, sum));
    case 'softmax':
      return denseForward(layer, weights, input);
    case 'rbf':
      return Float64Array.from(spec.targets, (target) =>
        target.reduce((sum, w, j) => sum + (at(input, j) - w) ** 2, 0),
      );
  }
}

/** Adds the layer's part to `gradient` [parameters of the model] and returns the loss differentiated by `input`. */
export function layerBackward(pass: LayerPass, gradient: Float64Array): Float64Array {
  const { spec } = pass.layer;
  switch (spec.kind) {
    case 'conv':
      return convBackward(pass, gradient);
    case 'subsample':
      return subsampleBackward(pass, gradient);
    case 'dense': {
      const { output } = pass;
      const delta = pass.delta.map((d, i) => d * activationSlope(spec.activation, at(output, i)));
      return denseBackward({ ...pass, delta }, gradient);
    }
    case 'softmax':
      return denseBackward(pass, gradient);
    case 'rbf':
      return pass.input.map((x, j) =>
        spec.targets.reduce((sum, target, i) => sum + 2 * (x - at(target, j)) * at(pass.delta, i), 0),
      );
  }
}

function activate(activation: Activation, sum: number): number {
  return activation === 'relu' ? Math.max(sum, 0) : TANH_AMPLITUDE * Math.tanh(TANH_SLOPE * sum);
}

/** The activation's derivative, from its value. */
function activationSlope(activation: Activation, value: number): number {
  if (activation === 'relu') return value > 0 ? 1 : 0;
  return TANH_AMPLITUDE * TANH_SLOPE * (1 - (value / TANH_AMPLITUDE) ** 2);
}

/** The layer's two tensors inside `flat`: weight and bias, or coefficient and bias. */
function tensorPair(layer: LayerLayout, flat: Float64Array): readonly [Float64Array, Float64Array] {
  const view = (index: number) => {
    const { offset, size } = at(layer.tensors, index);
    return flat.subarray(offset, offset + size);
  };
  return [view(0), view(1)];
}

function convForward(layer: LayerLayout, weights: Float64Array, input: Float64Array): Float64Array {
  const [weight, bias] = tensorPair(layer, weights);
  const area = layer.output.height * layer.output.width;
  const output = Float64Array.from({ length: shapeSize(layer.output) }, (_, o) => at(bias, Math.floor(o / area)));
  forEachTap(layer, (w, i, o) => addAt(output, o, at(weight, w) * at(input, i)));
  return output;
}

function convBackward({ layer, weights, input, delta }: LayerPass, gradient: Float64Array): Float64Array {
  const [weight] = tensorPair(layer, weights);
  const [weightGradient, biasGradient] = tensorPair(layer, gradient);
  const inputDelta = new Float64Array(input.length);
  const area = layer.output.height * layer.output.width;
  delta.forEach((d, o) => {
    addAt(biasGradient, Math.floor(o / area), d);
  });
  forEachTap(layer, (w, i, o) => {
    addAt(weightGradient, w, at(delta, o) * at(input, i));
    addAt(inputDelta, i, at(delta, o) * at(weight, w));
  });
  return inputDelta;
}

/** Visits every multiplication of a convolution by the indices of its weight, its input and the output it adds to. */
function forEachTap(layer: LayerLayout, visit: (weight: number, input: number, output: number) => void): void {
  if (layer.spec.kind !== 'conv') throw new TypeError(`${layer.spec.name} is not a convolution.`);
  const side = layer.spec.kernel;
  const { input, output } = layer;
  const kernels = layer.inputsOf.flatMap((maps, to) => maps.map((from) => ({ from, to })));
  for (const [kernel, { from, to }] of kernels.entries()) {
    for (let y = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++) {
        const o = (to * output.height + y) * output.width + x;
        for (let row = 0; row < side; row++) {
          const w = (kernel * side + row) * side;
          const i = (from * input.height + y + row) * input.width + x;
          for (let column = 0; column < side; column++) visit(w + column, i + column, o);
        }
      }
    }
  }
}

function subsampleForward(layer: LayerLayout, weights: Float64Array, input: Float64Array): Float64Array {
  const [coefficient, bias] = tensorPair(layer, weights);
  const output = new Float64Array(shapeSize(layer.output));
  forEachWindow(layer, (map, window, o) => {
    const sum = window.reduce((total, i) => total + at(input, i), 0);
    output[o] = Math.max(at(coefficient, map) * sum + at(bias, map), 0);
  });
  return output;
}

function subsampleBackward(pass: LayerPass, gradient: Float64Array): Float64Array {
  const { layer, weights, input, output, delta } = pass;
  const [coefficient] = tensorPair(layer, weights);
  const [coefficientGradient, biasGradient] = tensorPair(layer, gradient);
  const inputDelta = new Float64Array(input.length);
  forEachWindow(layer, (map, window, o) => {
    const d = at(output, o) > 0 ? at(delta, o) : 0;
    const sum = window.reduce((total, i) => total + at(input, i), 0);
    addAt(coefficientGradient, map, d * sum);
    addAt(biasGradient, map, d);
    for (const i of window) inputDelta[i] = d * at(coefficient, map);
  });
  return inputDelta;
}

/** Visits every output of a subsampling layer with its map and the indices of the four inputs it sums. */
function forEachWindow(
  { input, output }: LayerLayout,
  visit: (map: number, window: readonly number[], output: number) => void,
): void {
  for (let o = 0; o < shapeSize(output); o++) {
    const map = Math.floor(o / (output.height * output.width));
    const y = Math.floor(o / output.width) % output.height;
    const x = o % output.width;
    const first = (map * input.height + 2 * y) * input.width + 2 * x;
    visit(map, [first, first + 1, first + input.width, first + input.width + 1], o);
  }
}

function denseForward(layer: LayerLayout, weights: Float64Array, input: Float64Array): Float64Array {
  const [weight, bias] = tensorPair(layer, weights);
  return bias.map((b, unit) => input.reduce((sum, x, j) => sum + at(weight, unit * input.length + j) * x, b));
}

function denseBackward({ layer, weights, input, delta }: LayerPass, gradient: Float64Array): Float64Array {
  const [weight] = tensorPair(layer, weights);
  const [weightGradient, biasGradient] = tensorPair(layer, gradient);
  const inputDelta = new Float64Array(input.length);
  for (const [unit, d] of delta.entries()) {
    addAt(biasGradient, unit, d);
    for (const [j, x] of input.entries()) {
      addAt(weightGradient, unit * input.length + j, d * x);
      addAt(inputDelta, j, d * at(weight, unit * input.length + j));
    }
  }
  return inputDelta;
}
