import type { OptimizerKind, UpdateStep } from './kind.ts';

/** The last arguments of the kernel's `adam`, in its order. */
type Scalars = readonly [
  clip: number,
  decay: number,
  shrink: number,
  rate: number,
  correction: number,
  beta1: number,
  beta2: number,
  rest1: number,
  rest2: number,
  epsilon: number,
];

type Option = 'beta1' | 'beta2' | 'epsilon';

/** Far below any use; representable in float32, where the kernel uses it. */
const MIN_EPSILON = 1e-30;

/** Weight decay, in one of two ways: added to the gradient as decay w, or subtracted from the weight as shrink w. */
interface Decay {
  readonly decay: number;
  readonly shrink: number;
}

/** Adam with an L2 penalty (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980). */
export const adam = {
  options: {
    beta1: { min: 0, below: 1, default: 0.9, value: 'ratio', help: 'decay of the first moment per step' },
    beta2: { min: 0, below: 1, default: 0.999, value: 'ratio', help: 'decay of the second moment per step' },
    epsilon: { min: MIN_EPSILON, max: 1, default: 1e-8, value: 'number', help: 'constant added to the divisor' },
  },
  decay: 'gradient',
  defaultWeightDecay: 0,
  hasSecondMoments: true,
  scalars: (options, step) => adamScalars(options, step, { decay: options.weightDecay, shrink: 0 }),
  functions: ['adam', 'biasCorrection'],
  apply: (kernel, { w, wNext, m, mNext, v, vNext, gradient, count }, scalars) =>
    kernel.adam(w, wNext, m, mNext, v, vNext, gradient, count, ...scalars),
} as const satisfies OptimizerKind<Option, Scalars>;

export function adamScalars(
  { beta1, beta2, epsilon }: Readonly<Record<Option, number>>,
  { t, clip, learningRate, biasCorrection }: UpdateStep,
  { decay, shrink }: Decay,
): Scalars {
  const rate = learningRate / biasCorrection(beta1, t + 1);
  const correction = 1 / biasCorrection(beta2, t + 1);
  return [clip, decay, shrink, rate, correction, beta1, beta2, 1 - beta1, 1 - beta2, epsilon];
}
