import { addAt, at } from '../arrays.ts';
import type { BatchNormSpec, GroupNormSpec, LayerNormSpec, LayerSpec, Shape } from '../spec.ts';
import { type BackwardPass, first, type Layer, mapOf, type Pass, sizeOf, type Values } from './layer.ts';

type NormSpec = BatchNormSpec | GroupNormSpec | LayerNormSpec;

/** One value of a block: place i of sample n. */
interface Spot {
  readonly n: number;
  readonly i: number;
}

interface Statistics {
  readonly mean: number;
  readonly variance: number;
}

/** The sets of values with common statistics, which cover a block of samples. */
type SetsOf<S> = (spec: S, shape: Shape, samples: number) => Spot[][];

/**
 * y = weight * (x - mean) / sqrt(variance + epsilon) + bias; the kinds differ in the values over which mean and (biased)
 * variance are taken, and in the values that share a weight.
 */
function norm<S extends NormSpec>(
  setsOf: SetsOf<S>,
  /** The place of a value's weight and bias in the tensors. */
  weightOf: (i: number, shape: Shape) => number,
  weightShape: (input: Shape) => number[],
): Layer<S> {
  return {
    shape: (_spec, inputs) => first(inputs),
    tensors: (_spec, inputs) => [
      { part: 'weight', shape: weightShape(first(inputs)) },
      { part: 'bias', shape: weightShape(first(inputs)) },
    ],
    forward(pass) {
      const y = first(pass.inputs).map((x) => new Float64Array(x.length));
      for (const spots of setsOf(pass.spec, pass.outputShape, pass.positions.length))
        normalize(pass, spots, statistics(first(pass.inputs), spots), weightOf, y);
      return y;
    },
    backward(pass) {
      const dx = first(pass.inputs).map((x) => new Float64Array(x.length));
      for (const spots of setsOf(pass.spec, pass.outputShape, pass.positions.length))
        differentiate(pass, spots, weightOf, dx);
      return [dx];
    },
  };
}

function statistics(x: readonly Values[], spots: readonly Spot[]): Statistics {
  let sum = 0;
  for (const { n, i } of spots) sum += at(at(x, n), i);
  const mean = sum / spots.length;
  let squares = 0;
  for (const { n, i } of spots) squares += (at(at(x, n), i) - mean) ** 2;
  return { mean, variance: squares / spots.length };
}

function normalize(
  pass: Pass<NormSpec>,
  spots: readonly Spot[],
  { mean, variance }: Statistics,
  weightOf: (i: number, shape: Shape) => number,
  y: readonly Float64Array[],
): void {
  const [weight, bias] = [pass.parameter('weight'), pass.parameter('bias')];
  const deviation = Math.sqrt(variance + pass.spec.epsilon);
  for (const { n, i } of spots) {
    const w = weightOf(i, pass.outputShape);
    const normalized = (at(at(first(pass.inputs), n), i) - mean) / deviation;
    at(y, n)[i] = at(weight, w) * normalized + at(bias, w);
  }
}

/**
 * With u = (x - mean) / deviation and du = weight * dy: dx = (du - mean(du) - u * mean(du * u)) / deviation, since mean and
 * deviation depend on x too.
 */
function differentiate(
  pass: BackwardPass<NormSpec>,
  spots: readonly Spot[],
  weightOf: (i: number, shape: Shape) => number,
  dx: readonly Float64Array[],
): void {
  const x = first(pass.inputs);
  const weight = pass.parameter('weight');
  const [weightGradient, biasGradient] = [pass.gradient('weight'), pass.gradient('bias')];
  const { mean, variance } = statistics(x, spots);
  const deviation = Math.sqrt(variance + pass.spec.epsilon);
  const u = spots.map(({ n, i }) => (at(at(x, n), i) - mean) / deviation);
  const du = spots.map(({ n, i }, s) => {
    const [w, dy] = [weightOf(i, pass.outputShape), at(at(pass.deltas, n), i)];
    addAt(weightGradient, w, dy * at(u, s));
    addAt(biasGradient, w, dy);
    return at(weight, w) * dy;
  });
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanDu = meanOf(du);
  const meanProduct = meanOf(du.map((d, s) => d * at(u, s)));
  for (const [s, { n, i }] of spots.entries()) {
    at(dx, n)[i] = (at(du, s) - meanDu - at(u, s) * meanProduct) / deviation;
  }
}

/** The values of each of `sets` equal parts of each sample, a set each. */
function partsOfSamples(sets: number, shape: Shape, samples: number): Spot[][] {
  const length = sizeOf(shape) / sets;
  return Array.from({ length: samples }, (_, n) => n).flatMap((n) =>
    Array.from({ length: sets }, (_, set) => Array.from({ length }, (_, i) => ({ n, i: set * length + i }))),
  );
}

/** The values of each map over all samples of the block, a set each. */
function mapsOfBlock(_spec: BatchNormSpec, { maps, height, width }: Shape, samples: number): Spot[][] {
  const area = height * width;
  return Array.from({ length: maps }, (_, map) =>
    Array.from({ length: samples * area }, (_, k) => ({ n: Math.floor(k / area), i: map * area + (k % area) })),
  );
}

const groupsOfSamples: SetsOf<GroupNormSpec> = ({ groups }, shape, samples) => partsOfSamples(groups, shape, samples);
const wholeSamples: SetsOf<LayerNormSpec> = (_spec, shape, samples) => partsOfSamples(1, shape, samples);

/** The statistics of a norm's inputs, per set the samples that have a part in it; nothing if the layer is no norm. */
export function normStatistics(
  spec: LayerSpec,
  shape: Shape,
  x: readonly Values[],
): (Statistics & { readonly samples: ReadonlySet<number> })[] {
  const sets =
    spec.kind === 'batch-norm'
      ? mapsOfBlock(spec, shape, x.length)
      : spec.kind === 'group-norm'
        ? groupsOfSamples(spec, shape, x.length)
        : spec.kind === 'layer-norm'
          ? wholeSamples(spec, shape, x.length)
          : [];
  return sets.map((spots) => ({ ...statistics(x, spots), samples: new Set(spots.map(({ n }) => n)) }));
}

export const groupNorm = norm<GroupNormSpec>(groupsOfSamples, mapOf, ({ maps }) => [maps]);

export const layerNorm = norm<LayerNormSpec>(
  wholeSamples,
  (i) => i,
  ({ maps, height, width }) => (height * width === 1 ? [maps] : [maps, height, width]),
);

const overBlock = norm<BatchNormSpec>(mapsOfBlock, mapOf, ({ maps }) => [maps]);

/**
 * In training the block's own statistics count; its running statistics' "gradients" are sums over blocks of samples times
 * mean, and of samples times variance. In evaluation, and if the layer is frozen, the running statistics count.
 */
export const batchNorm: Layer<BatchNormSpec> = {
  ...overBlock,
  tensors: (spec, inputs) => [
    ...(overBlock.tensors?.(spec, inputs) ?? []),
    { part: 'running_mean', shape: [first(inputs).maps], state: true },
    { part: 'running_var', shape: [first(inputs).maps], state: true },
  ],
  forward(pass) {
    if (pass.training && !pass.frozen) return overBlock.forward(pass);
    const [means, variances] = [pass.parameter('running_mean'), pass.parameter('running_var')];
    const y = first(pass.inputs).map((x) => new Float64Array(x.length));
    for (const [map, spots] of mapsOfBlock(pass.spec, pass.outputShape, pass.positions.length).entries()) {
      normalize(pass, spots, { mean: at(means, map), variance: at(variances, map) }, mapOf, y);
    }
    return y;
  },
  backward(pass) {
    if (pass.frozen) {
      // The statistics are constants.
      const [weight, variances] = [pass.parameter('weight'), pass.parameter('running_var')];
      const factor = (map: number) => at(weight, map) / Math.sqrt(at(variances, map) + pass.spec.epsilon);
      return [pass.deltas.map((dy) => dy.map((d, i) => d * factor(mapOf(i, pass.outputShape))))];
    }
    const [means, variances] = [pass.gradient('running_mean'), pass.gradient('running_var')];
    for (const [map, spots] of mapsOfBlock(pass.spec, pass.outputShape, pass.positions.length).entries()) {
      const { mean, variance } = statistics(first(pass.inputs), spots);
      addAt(means, map, pass.positions.length * mean);
      addAt(variances, map, pass.positions.length * variance);
    }
    return overBlock.backward(pass);
  },
};
