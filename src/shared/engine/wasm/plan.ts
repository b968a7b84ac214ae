import type { Activation } from '../../model/layers/activation.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { ModelError } from '../../util/errors.ts';
import { depthOf } from '../tree.ts';
import {
  type ConvPlan,
  type DensePlan,
  type HeadPlan,
  type InputPlan,
  LANES,
  planConv,
  planDense,
  planHead,
  planInput,
} from './layer-plans.ts';
import { type Layout, padded } from './memory.ts';

/**
 * Where one worker's kernel finds its tables, activations and deltas: plain numbers, made by the main thread and sent to the
 * worker. Pointers are byte offsets into the memory; names ending in `Offset` count bytes from the start of the
 * weights or the gradient.
 */
export interface KernelPlan {
  readonly parameters: number;
  /** Shards whose activations and deltas are kept for one pass over the dense layers' gradients; a power of two. */
  readonly shardsAtOnce: number;
  readonly input: InputPlan;
  readonly convs: readonly ConvPlan[];
  readonly denses: readonly DensePlan[];
  readonly head: HeadPlan;
  /** Parameters of the convolutions and their subsampling, which come first in the flat order. */
  readonly convParameters: number;
  /** Pending sums of their gradients, a vector for each level of the tree but the lowest, which is the target itself. */
  readonly convSums: readonly number[];
  /** Pending sums of a tile of the dense layers' gradients. */
  readonly stack: number;
  /** i32 [LANES] each. */
  readonly labels: number;
  readonly predictions: number;
}

/** Samples whose dense layers are differentiated in one pass: enough to make the pass over the gradient cheap. */
const SAMPLES_AT_ONCE = 64;
/** Bytes that src/kernel/dense/weight-gradient.ts keeps for a pending sum. */
const STACK_LEVEL = 128;

/**
 * Lays out one worker's scratch memory for a model and shards of at most `shardSize` samples.
 * @throws ModelError if the spec isn't (conv, subsample) pairs, then dense layers, then a head
 */
export function planKernel(layout: ModelLayout, shardSize: number, memory: Layout): KernelPlan {
  const blocks = Math.ceil(shardSize / LANES);
  let shardsAtOnce = 1;
  while (2 * shardsAtOnce * blocks * LANES <= SAMPLES_AT_ONCE) shardsAtOnce *= 2;
  const kept = shardsAtOnce * blocks;
  const convs: ConvPlan[] = [];
  const denses: DensePlan[] = [];
  let x = 0;
  let delta = 0;
  let activation: Activation = 'relu';
  const rest = [...layout.layers];
  const input = planInput(layout, memory);
  for (let layer = rest.shift(); layer !== undefined; layer = rest.shift()) {
    const { spec } = layer;
    if (spec.kind === 'conv') {
      const subsample = rest.shift();
      if (denses.length > 0 || subsample?.spec.kind !== 'subsample') {
        throw new ModelError(
          `${spec.name}: the kernel computes a conv and the subsample layer after it, before any dense.`,
        );
      }
      const plan = planConv(spec, layer, subsample, memory, convs.length === 0 ? input.stride : undefined);
      convs.push(plan);
      ({ out: x, delta } = plan);
    } else if (spec.kind === 'dense' || spec.kind === 'softmax') {
      const plan = planDense(spec, layer, { x, delta, activation }, kept, memory);
      denses.push(plan);
      ({ out: x, delta } = plan);
      if (spec.kind === 'dense') activation = spec.activation;
    } else if (spec !== layout.spec.head) {
      throw new ModelError(
        `${spec.name}: the kernel computes conv and subsample in pairs, then dense layers, but no ${spec.kind} layer here.`,
      );
    }
  }
  if (convs.length === 0) throw new ModelError(`${layout.spec.name}: the kernel expects a conv layer first.`);
  const head = planHead(layout.spec.head, { x, delta, activation }, memory);
  const convParameters = (denses[0]?.weightOffset ?? 4 * layout.parameters) / 4;
  return {
    parameters: layout.parameters,
    shardsAtOnce,
    convParameters,
    convSums: Array.from({ length: depthOf(shardsAtOnce) }, () => memory.allocate(4 * padded(convParameters))),
    stack: memory.allocate(STACK_LEVEL * (depthOf(shardsAtOnce) + 1)),
    input,
    convs,
    denses,
    head,
    labels: memory.allocate(4 * LANES),
    predictions: memory.allocate(4 * LANES),
  };
}
