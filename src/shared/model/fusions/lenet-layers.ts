import type { ConvSpec } from '../layers/conv-connections.ts';
import type { DenseSpec } from '../layers/dense.ts';
import type { LayerLayout } from '../layers/placed-layer.ts';
import type { ZeroPadSpec } from '../layers/zero-pad.ts';
import type { ModelLayout } from '../layout.ts';

/** Activations that are fused with dense layers, by their numbers in src/kernel/dense/activation.ts. */
export const FUSED_ACTIVATIONS = { relu: 1, 'scaled-tanh': 2 } as const;

/** A convolution, the subsampling after it and its ReLU. */
export interface LenetPair {
  readonly conv: LayerLayout<ConvSpec>;
  readonly subsample: LayerLayout;
  readonly last: LayerLayout;
}

/** A dense layer and its activation, by its number in the kernel. */
export interface LenetDense {
  readonly dense: LayerLayout<DenseSpec>;
  readonly activation: number;
  readonly last: LayerLayout;
}

export interface LenetLayers {
  /** Pixels on every side of an image. */
  readonly padding: number;
  readonly convs: readonly LenetPair[];
  readonly denses: readonly LenetDense[];
}

/** `place` in src/kernel/input.ts moves 16 bytes at a time. */
const MIN_SIDE = 16;
/** Shifts stay within the padding (sampler.ts). */
const MIN_PADDING = 2;

/** The layers by their parts, if the model is one chain of such pairs and then dense layers; otherwise undefined. */
export function lenetLayers({ input, layers, spec }: ModelLayout): LenetLayers | undefined {
  const rest = [...layers];
  const isChain = layers.every(({ sources, place }) => sources.length === 1 && sources[0] === place - 1);
  const padding = paddingOf(rest.shift());
  if (!isChain || padding === undefined || input.maps !== 1 || input.width !== input.height || input.width < MIN_SIDE)
    return undefined;
  const convs: LenetPair[] = [];
  for (let pair = takePair(rest); pair !== undefined; pair = takePair(rest)) convs.push(pair);
  const denses: LenetDense[] = [];
  for (let next = takeDense(rest); next !== undefined; next = takeDense(rest)) denses.push(next);
  // A softmax over activations, or distances of plain sums, are for the layers' own operations.
  const isPlain = denses.at(-1)?.activation === 0;
  const endsWell = isPlain === (spec.head.kind === 'softmax');
  return rest.length === 0 && convs.length > 0 && denses.length > 0 && endsWell
    ? { padding, convs, denses }
    : undefined;
}

function paddingOf(layer: LayerLayout | undefined): number | undefined {
  if (layer?.spec.kind !== 'zero-pad') return undefined;
  const [first, ...others] = (layer.spec as ZeroPadSpec).padding;
  return first >= MIN_PADDING && others.every((side) => side === first) ? first : undefined;
}

function takePair(rest: LayerLayout[]): LenetPair | undefined {
  const [conv, subsample, last] = rest;
  if (conv?.spec.kind !== 'conv' || subsample?.spec.kind !== 'subsample' || last?.spec.kind !== 'relu')
    return undefined;
  const { kernel, stride, padding, groups, bias } = conv.spec as ConvSpec;
  const isSquare = kernel[0] === kernel[1] && stride[0] === 1 && stride[1] === 1;
  const isSquareMap = conv.output.height === conv.output.width;
  if (!isSquare || !isSquareMap || padding !== 'valid' || groups !== 1 || !bias) return undefined;
  rest.splice(0, 3);
  return { conv: conv as LayerLayout<ConvSpec>, subsample, last };
}

function takeDense(rest: LayerLayout[]): LenetDense | undefined {
  const [dense, next] = rest;
  if (dense?.spec.kind !== 'dense' || !(dense.spec as DenseSpec).bias) return undefined;
  const code = (FUSED_ACTIVATIONS as Readonly<Record<string, number>>)[next?.spec.kind ?? ''];
  rest.splice(0, code === undefined ? 1 : 2);
  return {
    dense: dense as LayerLayout<DenseSpec>,
    activation: code ?? 0,
    last: (code === undefined ? dense : next) as LayerLayout,
  };
}
