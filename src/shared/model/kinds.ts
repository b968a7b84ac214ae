// The kinds of layers and heads. A file in layers/ or heads/ and its entry here are all that the code knows of one: the spec's schema,
// the planner, exports and reports follow from them.
import { ModelError } from '../util/errors.ts';
import type { Head, HeadSpec } from './heads/head.ts';
import { mse, sigmoidHead } from './heads/numbers.ts';
import { rbf } from './heads/rbf.ts';
import { softmax } from './heads/softmax.ts';
import { add } from './layers/add.ts';
import { batchNorm } from './layers/batch-norm.ts';
import { concat } from './layers/concat.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import { dropout } from './layers/dropout.ts';
import { flatten } from './layers/flatten.ts';
import { globalAveragePool } from './layers/global-average-pool.ts';
import { groupNorm } from './layers/group-norm.ts';
import type { Fields, Layer } from './layers/layer.ts';
import { layerNorm } from './layers/layer-norm.ts';
import { leakyRelu } from './layers/leaky-relu.ts';
import type { LayerSpec } from './layers/placed-layer.ts';
import { averagePool, maxPool } from './layers/pool.ts';
import { relu } from './layers/relu.ts';
import { rescale } from './layers/rescale.ts';
import { scaledTanh } from './layers/scaled-tanh.ts';
import { sigmoid } from './layers/sigmoid.ts';
import { subsample } from './layers/subsample.ts';
import { tanh } from './layers/tanh.ts';
import { zeroPad } from './layers/zero-pad.ts';

/** With the types of their fields. */
export const LAYER_KINDS = withFields([
  conv,
  dense,
  subsample,
  maxPool,
  averagePool,
  globalAveragePool,
  flatten,
  relu,
  leakyRelu,
  tanh,
  scaledTanh,
  sigmoid,
  batchNorm,
  groupNorm,
  layerNorm,
  dropout,
  add,
  concat,
  zeroPad,
  rescale,
]);

export const HEAD_KINDS = withFields([softmax, rbf, sigmoidHead, mse]);

// A spec of a kind goes to that kind alone.
export const LAYERS = LAYER_KINDS as readonly unknown[] as readonly Layer[];
export const HEADS = HEAD_KINDS as readonly unknown[] as readonly Head[];

/** What a kind's spec is given as. The rest of the kind is no part of the type: it would be most of the library's own. */
interface KindFields {
  readonly kind: string;
  fields(zod: never): Fields;
}

type WithFields<K extends readonly KindFields[]> = {
  readonly [I in keyof K]: { readonly kind: K[I]['kind']; readonly fields: K[I]['fields'] };
};

function withFields<const K extends readonly KindFields[]>(kinds: K): WithFields<K> {
  return kinds as unknown as WithFields<K>;
}

/** @throws ModelError if there is no such kind of layer */
export function kindOf(spec: LayerSpec): Layer {
  return find(LAYERS, spec.kind, spec.name);
}

/** @throws ModelError if there is no such kind of head */
export function headOf(spec: HeadSpec): Head {
  return find(HEADS, spec.kind, 'head');
}

function find<K extends { readonly kind: string }>(kinds: readonly K[], kind: string, name: string): K {
  const found = kinds.find((each) => each.kind === kind);
  if (found !== undefined) return found;
  const known = kinds.map((each) => each.kind).join(', ');
  throw new ModelError(`${name}: expected one of the kinds ${known}, but it is of the kind ${kind}.`);
}
