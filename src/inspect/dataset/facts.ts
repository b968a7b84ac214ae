// What a data set holds, in numbers: how its classes are balanced, what its values are, and which samples are in it more than once.
import type { Dataset, Inputs, Split } from '../../shared/data/dataset.ts';
import { sampleDigests } from '../../shared/data/duplicates.ts';

export interface DatasetFacts {
  /** A class's name, and how many samples each part has of it; undefined if the targets are numbers. */
  readonly classes: readonly ClassFacts[] | undefined;
  /** Of the training targets, an output each; undefined if they are classes. */
  readonly outputs: readonly (ValueFacts & { readonly name: string })[] | undefined;
  /** Of the training inputs, a map each, as a model sees them: bytes as 0..1. */
  readonly maps: readonly ValueFacts[];
  /** Undefined if there are too many samples to look for them. */
  readonly duplicates: DuplicateFacts | undefined;
}

export interface ClassFacts {
  readonly name: string;
  readonly train: number;
  readonly test: number;
}

export interface ValueFacts {
  readonly least: number;
  readonly most: number;
  readonly mean: number;
  readonly deviation: number;
}

/** Samples whose inputs another sample before them has too. */
export interface DuplicateFacts {
  readonly train: number;
  readonly test: number;
  /** Test samples that are among the training samples, so that a model may know them by heart. */
  readonly leaked: number;
  /** Samples, of both parts, whose inputs another one has with another target. */
  readonly contradicting: number;
}

/** A byte as a model sees it is its 255th part. */
const MAX_BYTE = 255;
/** Samples that are compared: their digests take about 150 bytes each. */
const MAX_COMPARED = 5_000_000;

export function factsOf(dataset: Dataset): DatasetFacts {
  const { train, test, maps, height, width, classes, classNames } = dataset;
  const isRegression = train.targets instanceof Float32Array;
  const counts = [train, test].map((part) => countsOf(part, classes));
  return {
    classes: isRegression
      ? undefined
      : classNames.map((name, k) => ({ name, train: counts[0]?.[k] ?? 0, test: counts[1]?.[k] ?? 0 })),
    outputs: isRegression
      ? classNames.map((name, k) => ({ name, ...valueFacts(train.targets, { first: k, run: 1, period: classes }) }))
      : undefined,
    maps: Array.from({ length: maps }, (_, map) => {
      const area = height * width;
      return scaled(valueFacts(train.inputs, { first: map * area, run: area, period: maps * area }), train.inputs);
    }),
    duplicates: duplicatesIn(dataset),
  };
}

function countsOf({ targets }: Split, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  if (targets instanceof Uint16Array) for (const target of targets) counts[target] = (counts[target] as number) + 1;
  return counts;
}

/** Values first … first + run - 1 of each period. */
interface Stripe {
  readonly first: number;
  readonly run: number;
  readonly period: number;
}

function valueFacts(values: ArrayLike<number>, { first, run, period }: Stripe): ValueFacts {
  let [least, most, count, mean, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (let start = first; start < values.length; start += period) {
    // A sample's sums are added to those of the samples before it (T. F. Chan et al., 1979): sums of all squares would lose digits.
    let sum = 0;
    for (let i = start; i < start + run; i++) {
      const value = values[i] as number;
      sum += value;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    const own = sum / run;
    let ownSquares = 0;
    for (let i = start; i < start + run; i++) ownSquares += ((values[i] as number) - own) ** 2;
    squares += ownSquares + ((own - mean) ** 2 * count * run) / (count + run);
    mean += ((own - mean) * run) / (count + run);
    count += run;
  }
  return { least, most, mean, deviation: Math.sqrt(squares / count) };
}

function scaled({ least, most, mean, deviation }: ValueFacts, inputs: Inputs): ValueFacts {
  const unit = inputs instanceof Uint8Array ? MAX_BYTE : 1;
  return { least: least / unit, most: most / unit, mean: mean / unit, deviation: deviation / unit };
}

function duplicatesIn({ train, test }: Dataset): DuplicateFacts | undefined {
  if (train.count + test.count > MAX_COMPARED) return undefined;
  /** By a sample's digest: the target of the first that has it, and whether that is a training sample. */
  const known = new Map<string, { readonly target: string; readonly trained: boolean }>();
  const found = { train: 0, test: 0, leaked: 0, contradicting: 0 };
  for (const [part, split] of [
    ['train', train],
    ['test', test],
  ] as const) {
    let i = 0;
    for (const bytes of sampleDigests(split, false)) {
      const digest = bytes.toString('base64');
      const target = targetOf(split, i++);
      const first = known.get(digest);
      if (first === undefined) known.set(digest, { target, trained: part === 'train' });
      else {
        if (part === 'test' && first.trained) found.leaked++;
        else found[part]++;
        if (first.target !== target) found.contradicting++;
      }
    }
  }
  return found;
}

function targetOf({ targets, count }: Split, sample: number): string {
  const outputs = targets.length / count;
  return targets.subarray(sample * outputs, (sample + 1) * outputs).join();
}
