// The training samples that --validation holds back: those whose content has the lowest hashes, wherever they are in the data set.
import { UsageError } from '../util/errors.ts';
import type { Dataset, Split } from './dataset.ts';
import { sampleHashes } from './duplicates.ts';

/** The most samples that are held back of so many. */
export function maxHeldBack(ratio: number, samples: number): number {
  return ratio === 0 ? 0 : Math.max(1, Math.floor(ratio * samples));
}

/**
 * Places of the `count` training samples with the lowest hashes, ascending; samples that are the same with the same target stay
 * together, so that there may be fewer.
 */
export function heldBackOf(train: Split, count: number): Int32Array {
  const hashes = Float64Array.from(sampleHashes(train));
  const limit = hashes.toSorted()[count] ?? 0;
  return Int32Array.from([...hashes.keys()].filter((i) => (hashes[i] as number) < limit));
}

/** Places of the training samples that aren't held back, ascending. */
export function placesWithout(heldBack: Int32Array, samples: number): Int32Array {
  const places = new Int32Array(samples - heldBack.length);
  let next = 0;
  for (let place = 0, i = 0; i < samples; i++) {
    if (heldBack[next] === i) next++;
    else places[place++] = i;
  }
  return places;
}

/**
 * The data set with a ratio of its training samples held back.
 * @throws UsageError if that leaves none to validate, or none of a class to train on
 */
export function withValidation(dataset: Dataset, ratio: number): Dataset {
  if (ratio === 0) return dataset;
  const { train, name } = dataset;
  const validation = heldBackOf(train, maxHeldBack(ratio, train.count));
  const left = placesWithout(validation, train.count);
  const lost = lostClass(dataset, left);
  const problem =
    validation.length === 0
      ? `holds back no sample of ${name}, since those with the lowest hashes are all the same. Give a larger share`
      : left.length === 0
        ? `leaves no sample of ${name} to train on. Give a smaller share`
        : lost !== undefined && `leaves no training sample of ${name}'s class ${lost}. Give a smaller share`;
  if (problem) throw new UsageError(`--validation: ${ratio} ${problem}, or leave it out.`);
  return { ...dataset, validation };
}

/** The name of a class whose training samples are all held back. */
function lostClass({ train: { targets }, classNames }: Dataset, left: Int32Array): string | undefined {
  if (targets instanceof Float32Array) return undefined;
  const trained = new Set(Array.from(left, (place) => targets[place]));
  return classNames.find((_, k) => targets.includes(k) && !trained.has(k));
}
