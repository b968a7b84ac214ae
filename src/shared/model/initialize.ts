import { PhiloxStream, PURPOSE } from '../util/philox.ts';
import type { TensorLayout } from './layers/placed-layer.ts';
import type { Initialization, ModelSpec } from './spec.ts';

/** Where a tensor lies in the flat vector, and how it begins. */
type Initial = Pick<TensorLayout, 'offset' | 'size' | 'fanIn' | 'fill'>;

interface ToInitialize {
  readonly parameters: number;
  readonly tensors: readonly Initial[];
  readonly spec?: Pick<ModelSpec, 'initialization'>;
}

/** The number over fan-in whose square root bounds the weights. */
const BOUND: Readonly<Record<Initialization, number>> = { 'he-uniform': 6, 'pytorch-uniform': 1 };

/**
 * The weights before the first step, [parameters] in flat order: kernels and dense weights uniform between the bounds that the
 * spec's `initialization` names, coefficients 0.25, biases 0.
 * @param seed a whole number from 0 to 2^53 - 1
 * @param squareRoot the kernel's, so that no engine's own mathematics reaches the weights
 */
export function initialWeights(
  { parameters, tensors, spec }: ToInitialize,
  seed: number,
  squareRoot: (x: number) => number,
): Float32Array {
  const weights = new Float32Array(parameters);
  const bound = BOUND[spec?.initialization ?? 'he-uniform'];
  const stream = new PhiloxStream(seed, PURPOSE.initialWeights);
  for (const tensor of tensors) {
    const { offset, size, fanIn, fill } = tensor;
    const values = weights.subarray(offset, offset + size);
    // Every parameter has a random word, used or not: a weight depends on its own offset alone.
    const words = Uint32Array.from(values, () => stream.next());
    if (fanIn.length > 0) scaleUniform(words, tensor, (inputs) => squareRoot(bound / inputs), values);
    else values.fill(fill);
  }
  return weights;
}

function scaleUniform(
  words: Uint32Array,
  { fanIn, size }: Initial,
  boundOf: (inputs: number) => number,
  values: Float32Array,
): void {
  const stride = size / fanIn.length;
  fanIn.forEach((inputs, leading) => {
    const a = boundOf(inputs);
    for (let i = leading * stride; i < (leading + 1) * stride; ++i) {
      // From -1 to 1 - 2^-23, exactly; the product and the store round once each.
      values[i] = a * (((words[i] as number) >>> 8) / 0x800000 - 1);
    }
  });
}
