// Networks of every kind of layer, with what the reference makes of samples.
import fc from 'fast-check';
import type { Network } from '#src/inspect/export/network.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { PRESETS, specOf, typicalData } from '#src/shared/model/registry.js';
import { shapeSize } from '#src/shared/model/shape.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { randomParameters } from '../../support/random-batches.ts';
import { randomCase, written } from '../../support/random-specs.ts';
import { at } from '../../support/reference/arrays.ts';
import { headLoss, softmax } from '../../support/reference/heads.ts';
import { found } from '../../support/reference/network.ts';
import { uniformStream } from '../../support/reference/random.ts';
import { referenceForward } from '../../support/reference/reference.ts';
import type { NetworkSpec } from '../../support/reference/spec.ts';
import { networkOf } from './networks.ts';

const RANDOM_CASES = 60;
const SEED = 23;

/** A network, and what exact arithmetic makes of samples. */
export interface SpecCase {
  readonly name: string;
  readonly network: Network;
  /** [samples][maps][height][width] */
  readonly inputs: Float32Array;
  readonly samples: number;
  /** [samples][outputs]: probabilities, or values. */
  readonly outputs: Float64Array;
  /** [samples][outputs]: logits, distances or values. */
  readonly raw: Float64Array;
}

/** Every kind of layer, in the places that are hard for other systems. */
export const EVERY_KIND = {
  name: 'every-kind',
  input: { maps: 4, height: 11, width: 14 },
  layers: [
    { name: 'image', kind: 'rescale', scale: 2, offset: -0.5 },
    { name: 'padded', kind: 'zero-pad', padding: [1, 0, 2, 1] },
    { name: 'depthwise', kind: 'conv', maps: 8, kernel: [3, 2], stride: 1, padding: [1, 0, 0, 1], groups: 4 },
    { kind: 'batch-norm', epsilon: 1e-3 },
    { kind: 'leaky-relu', slope: 0.2 },
    { name: 'grouped', kind: 'conv', maps: 6, kernel: 3, padding: 'same', groups: 2, bias: false },
    { name: 'normed', kind: 'group-norm', groups: 3 },
    { kind: 'scaled-tanh' },
    { name: 'halved', kind: 'conv', maps: 6, kernel: [3, 2], stride: [2, 1], padding: 'same' },
    { name: 'beside', kind: 'conv', inputs: ['normed'], maps: 6, kernel: 1, stride: [2, 1] },
    { name: 'logits', kind: 'add', inputs: ['halved', 'beside', 'halved'] },
    { name: 'per-map', kind: 'conv', maps: 6, kernel: 3, stride: [1, 2], padding: 'same', groups: 6 },
    { kind: 'sigmoid' },
    { name: 'widened', kind: 'zero-pad', padding: [1, 0, 0, 0] },
    { name: 'sampled', kind: 'subsample' },
    { name: 'largest', kind: 'max-pool', size: [3, 2], stride: [2, 1], padding: [2, 1, 1, 0] },
    { name: 'mean', kind: 'average-pool', inputs: ['sampled'], size: [3, 2], stride: [2, 1], padding: [2, 1, 1, 0] },
    { name: 'both', kind: 'concat', inputs: ['largest', 'mean'] },
    {
      name: 'some',
      kind: 'conv',
      maps: 5,
      kernel: 2,
      table: [[0, 1], [2], [3, 4], [0], [1], [], [4, 2], [3], [0, 1, 2, 3, 4], [0], [1], [2]],
    },
    { name: 'laid', kind: 'layer-norm' },
    { name: 'flat', kind: 'flatten' },
    { name: 'flat.relu', kind: 'relu' },
    { name: 'left', kind: 'dense', units: 7, bias: false },
    { name: 'vector-norm', kind: 'batch-norm' },
    { kind: 'tanh' },
    { name: 'middle', kind: 'layer-norm', inputs: ['flat.relu'] },
    { name: 'right', kind: 'global-average-pool', inputs: ['laid'] },
    { name: 'right.norm', kind: 'group-norm', groups: 1 },
    { name: 'point', kind: 'conv', maps: 3, kernel: 1 },
    { name: 'small', kind: 'average-pool', inputs: ['laid'], size: 2, padding: 'same' },
    { name: 'smallest', kind: 'max-pool', size: 2, stride: 1, padding: 'same' },
    { name: 'probabilities', kind: 'concat', inputs: ['tanh25', 'middle', 'point', 'flat.relu'] },
    { kind: 'dropout', rate: 0.5 },
    { name: 'last', kind: 'dense', units: 9 },
    { name: 'other', kind: 'dense', inputs: ['smallest'], units: 9 },
    { name: 'values', kind: 'add', inputs: ['last', 'other'] },
  ],
};

export const HEADS = [
  { kind: 'softmax', labelSmoothing: 0.1 },
  {
    kind: 'rbf',
    targets: [0, 1, 2].map((c) => Array.from({ length: 9 }, (_, i) => ((i >> c) % 2 === 0 ? 1 : -1))),
    j: 0.1,
  },
  { kind: 'sigmoid' },
  { kind: 'mse' },
];

export function presetCases(): SpecCase[] {
  return PRESETS.flatMap(({ name }) => {
    const heads = name === 'lenet5' ? (['softmax', 'rbf'] as const) : (['softmax'] as const);
    return heads.map((head) => {
      const spec = specOf({ model: name, head, rbfJ: 0.1 }, typicalData(name));
      return specCase(heads.length > 1 ? `${name} (${head})` : name, spec, 2);
    });
  });
}

export function everyKindCases(): SpecCase[] {
  return HEADS.map((head) => {
    const spec = parseModel({ ...EVERY_KIND, head }, undefined, 'every-kind');
    return specCase(`every kind of layer (${head.kind})`, spec, 5);
  });
}

export function randomCases(): SpecCase[] {
  return fc.sample(randomCase, { numRuns: RANDOM_CASES, seed: SEED }).map(({ network }, i) => {
    return specCase(`random network ${i}`, parseModel(written(network), undefined, 'random'), 4);
  });
}

function specCase(name: string, spec: ModelSpec, samples: number): SpecCase {
  const layout = layoutOf(spec);
  const reference = referenceSpec(spec);
  const parameters = randomParameters(reference, SEED);
  const weights = new Float32Array(layout.parameters);
  for (const tensor of layout.tensors) weights.set(found(parameters, tensor.name), tensor.offset);
  const size = shapeSize(spec.input);
  const uniform = uniformStream(SEED);
  const inputs = Float32Array.from({ length: samples * size }, () => (uniform() + 1) / 2);
  const targets = Array.from({ length: samples }, () => new Float64Array(layout.classes));
  const batch = { targets, shardSize: samples, training: false, seed: 0, first: 0 };
  const perSample = Array.from({ length: samples }, (_, n) =>
    Float64Array.from(inputs.subarray(n * size, (n + 1) * size)),
  );
  const values = referenceForward(reference, parameters, { ...batch, inputs: perSample }).outputs;
  const ends = values.map((z, n) => endsOf(reference, z, at(targets, n)));
  return {
    name,
    network: networkOf(layout, weights, { model: spec }),
    inputs,
    samples,
    outputs: Float64Array.from(ends.flatMap(({ output }) => [...output])),
    raw: Float64Array.from(ends.flatMap(({ raw }) => [...raw])),
  };
}

/** What a trained network answers: probabilities, or values; and what it has before. */
function endsOf({ head }: NetworkSpec, z: Float64Array, target: Float64Array) {
  if (head.kind === 'mse') return { output: z, raw: z };
  if (head.kind === 'sigmoid') return { output: z.map((a) => 1 / (1 + Math.exp(-a))), raw: z };
  const { scores } = headLoss(head, z, target);
  return { output: softmax(scores), raw: head.kind === 'rbf' ? scores.map((score) => -score) : z };
}

/** As the reference takes it. */
function referenceSpec({ layers, ...spec }: ModelSpec): NetworkSpec {
  const complete = layers.map((layer) => ('size' in layer ? { stride: layer.size, ...layer } : layer));
  return { ...spec, layers: complete } as unknown as NetworkSpec;
}
