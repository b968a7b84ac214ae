import { OPTIMIZER_OPTIONS, type OptimizerOption } from '../engine/optimizers/registry.ts';

/** The options of a run that decide which gradients a node computes. */
export const GRADIENT_KEYS = ['batch', 'shardSize', 'seed'] as const;

/** Those that decide local steps besides; nodes are told of them only if the job is cut into replicas. */
export const REPLICA_KEYS = [
  'replicas',
  'syncEvery',
  'iterations',
  'optimizer',
  'learningRate',
  'schedule',
  'warmup',
  'weightDecay',
  'clipNorm',
  ...(Object.keys(OPTIMIZER_OPTIONS) as OptimizerOption[]),
] as const;
