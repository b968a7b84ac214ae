import { adam, adamScalars } from './adam.ts';
import type { OptimizerKind } from './kind.ts';

type Option = keyof typeof adam.options;

/** Adam with decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101). */
export const adamw = {
  ...adam,
  decay: 'decoupled',
  defaultWeightDecay: 0.01,
  scalars: (options, step) => adamScalars(options, step, { decay: 0, shrink: step.learningRate * options.weightDecay }),
} as const satisfies OptimizerKind<Option, ReturnType<typeof adamScalars>>;
