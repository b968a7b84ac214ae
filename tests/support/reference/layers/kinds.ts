import type { LayerSpec } from '../spec.ts';
import { conv } from './conv.ts';
import { dense, flatten } from './dense.ts';
import { dropout, leakyRelu, relu, rescale, scaledTanh, sigmoid, tanh, zeroPad } from './elementwise.ts';
import { add, concat } from './join.ts';
import type { Layer } from './layer.ts';
import { batchNorm, groupNorm, layerNorm } from './norm.ts';
import { averagePool, globalAveragePool, maxPool, subsample } from './pool.ts';

const KINDS: { readonly [K in LayerSpec['kind']]: Layer<Extract<LayerSpec, { kind: K }>> } = {
  conv,
  subsample,
  'max-pool': maxPool,
  'average-pool': averagePool,
  'global-average-pool': globalAveragePool,
  flatten,
  dense,
  relu,
  tanh,
  'scaled-tanh': scaledTanh,
  sigmoid,
  'leaky-relu': leakyRelu,
  'batch-norm': batchNorm,
  'group-norm': groupNorm,
  'layer-norm': layerNorm,
  dropout,
  add,
  concat,
  'zero-pad': zeroPad,
  rescale,
};

export const LAYER_KINDS = Object.keys(KINDS) as LayerSpec['kind'][];

/** The kind's functions, for any spec: a spec's own kind takes it. */
export function kindOf({ kind }: LayerSpec): Layer {
  return KINDS[kind] as Layer;
}
