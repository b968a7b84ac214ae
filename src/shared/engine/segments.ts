import type { LayerLayout, TensorLayout } from '../model/layers/placed-layer.ts';
import type { ModelSpec } from '../model/spec.ts';
import { padded } from './wasm/memory.ts';

/**
 * What an update does to a parameter: the optimizer's rule with weight decay or without, or none; state follows the mean that
 * the step's shards have summed up.
 */
type Rule = 'decayed' | 'plain' | 'state' | 'frozen';

/** Consecutive parameters that are updated alike, `begin` to `end` - 1. */
export interface Segment {
  readonly begin: number;
  readonly end: number;
  readonly rule: Rule;
  /** Of state: the step's share. */
  readonly momentum: number;
}

/** What decides how parameters are updated; a model's layout has it. */
export interface UpdateLayout {
  readonly parameters: number;
  readonly tensors: readonly TensorLayout[];
  readonly layers: readonly Pick<LayerLayout, 'tensors' | 'frozen'>[];
  readonly spec: Pick<ModelSpec, 'decay'>;
}

/** The segments of a model's parameters, and of the zeros behind them that fill a register. */
export function segmentsOf({ spec, layers, tensors, parameters }: UpdateLayout): Segment[] {
  const layerOf = new Map(layers.flatMap((layer) => layer.tensors.map((tensor) => [tensor, layer] as const)));
  const segments: Segment[] = [];
  for (const tensor of tensors) {
    const rule = ruleOf(tensor, layerOf.get(tensor)?.frozen === true, spec.decay);
    const last = segments.at(-1);
    const end = tensor.offset + tensor.size;
    if (last?.rule === rule && last.momentum === tensor.momentum) segments[segments.length - 1] = { ...last, end };
    else segments.push({ begin: tensor.offset, end, rule, momentum: tensor.momentum });
  }
  const last = segments.at(-1);
  if (last !== undefined) segments[segments.length - 1] = { ...last, end: padded(parameters) };
  return segments;
}

function ruleOf({ role }: TensorLayout, isFrozen: boolean, decay: 'weights' | 'all'): Rule {
  if (isFrozen) return 'frozen';
  if (role === 'state') return 'state';
  return role === 'weight' || decay === 'all' ? 'decayed' : 'plain';
}
