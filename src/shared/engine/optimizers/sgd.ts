import type { OptimizerKind } from './kind.ts';

type Scalars = readonly [clip: number, rate: number, momentum: number, decay: number];

/** Momentum SGD, as PyTorch has it. */
export const sgd = {
  options: {
    momentum: { min: 0, below: 1, default: 0.9, value: 'ratio', help: 'share of the previous update that is kept' },
  },
  decay: 'gradient',
  defaultWeightDecay: 0,
  hasSecondMoments: false,
  scalars: ({ momentum, weightDecay }, { clip, learningRate }) => [clip, learningRate, momentum, weightDecay],
  functions: ['sgd'],
  apply: (kernel, { w, wNext, m, mNext, gradient, count }, [clip, rate, momentum, decay]) =>
    kernel.sgd(w, wNext, m, mNext, gradient, count, clip, rate, momentum, decay),
} as const satisfies OptimizerKind<'momentum', Scalars>;
