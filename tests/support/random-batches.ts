import type { RandomCase } from './random-specs.ts';
import { shifted } from './reference/flat.ts';
import type { Target } from './reference/heads.ts';
import { kinkedSamples } from './reference/kinks.ts';
import { sizeOf } from './reference/layers/layer.ts';
import { outputsOf, type Tensor, tensorsOf } from './reference/network.ts';
import { randomShift, uniformStream } from './reference/random.ts';
import { type Batch, blocksOf, referenceForward, type Tensors } from './reference/reference.ts';
import type { NetworkSpec } from './reference/spec.ts';

/** Attempts at a block of samples away from every kink. */
const MAX_ATTEMPTS = 30;

/** A sample as the data set has it, and as the network sees it. */
export interface RandomSample {
  /** [maps][height][width]: bytes, or floats exact in float32. */
  readonly values: Float64Array;
  /** Rows down, columns right. */
  readonly shift: readonly [number, number];
  readonly target: Target;
}

export interface RandomBatch {
  readonly samples: readonly RandomSample[];
  /** The same for the reference: scaled and shifted. */
  readonly batch: Batch;
}

/**
 * Parameters exact in float32, in flat order: He-uniform by fan-in, so that values keep their size from layer to layer, and
 * unlike a run's initial weights no 0 or 1, so that every term of a gradient takes part.
 */
export function randomParameters(network: NetworkSpec, seed: number): Tensors {
  const uniform = uniformStream(seed);
  const values = (tensor: Tensor) =>
    Float64Array.from({ length: tensor.size }, () => Math.fround(element(tensor, uniform())));
  return new Map(tensorsOf(network).map((tensor) => [tensor.name, values(tensor)]));
}

function element({ part, shape }: Tensor, uniform: number): number {
  if (part === 'coefficient') return 0.25 + 0.05 * uniform;
  if (part === 'bias' || part === 'running_mean') return 0.1 * uniform;
  // A convolution's fan-in is a kernel a map, or with a table about that; a norm's weights and variances are around 1.
  const isNorm = part === 'running_var' || shape.length === 1;
  if (isNorm) return 1 + 0.5 * uniform;
  const fanIn = shape.slice(1).reduce((product, side) => product * side, 1);
  return Math.sqrt(6 / fanIn) * uniform;
}

/**
 * The case's shards, drawn again sample by sample where values lie near a kink; undefined if there are kinks wherever it is
 * drawn.
 */
export function randomBatch(random: RandomCase, parameters: Tensors): RandomBatch | undefined {
  const uniform = uniformStream(random.seed + 1);
  const draw = () => randomSample(random, uniform);
  const samples = Array.from({ length: random.shardSize * random.shards }, draw);
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const batch = batchOf(random, samples);
    const kinked = blocksOf(batch).flatMap((block) => {
      const [trace] = referenceForward(random.network, parameters, block).traces;
      return trace ? [...kinkedSamples(random.network, trace)].map((n) => block.first - batch.first + n) : [];
    });
    if (kinked.length === 0) return { samples, batch };
    for (const n of kinked) samples[n] = draw();
  }
  return undefined;
}

function randomSample({ network, floats }: RandomCase, uniform: () => number): RandomSample {
  const below = (count: number) => Math.floor(((uniform() + 1) / 2) * count);
  return {
    values: Float64Array.from({ length: sizeOf(network.input) }, () => (floats ? Math.fround(uniform()) : below(256))),
    shift: [randomShift(uniform), randomShift(uniform)],
    target: randomTarget(network, uniform, below),
  };
}

function randomTarget(network: NetworkSpec, uniform: () => number, below: (count: number) => number): Target {
  const outputs = outputsOf(network);
  switch (network.head.kind) {
    case 'softmax':
      return [below(outputs)];
    case 'rbf':
      return [below(network.head.targets.length)];
    case 'sigmoid':
      return Float64Array.from({ length: outputs }, () => below(2));
    case 'mse':
      return Float64Array.from({ length: outputs }, () => Math.fround(uniform()));
  }
}

function batchOf(
  { network, shardSize, seed, floats, frozen, loss }: RandomCase,
  samples: readonly RandomSample[],
): Batch {
  return {
    inputs: samples.map(({ values, shift }) =>
      shifted(floats ? values : values.map((v) => v / 255), network.input, shift),
    ),
    targets: samples.map(({ target }) => target),
    shardSize,
    training: true,
    frozen,
    loss,
    seed,
    // Positions beyond 32 bits in some cases.
    first: seed % 2 === 0 ? seed : 2 ** 33 + seed,
  };
}
