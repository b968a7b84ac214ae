import type { PartOutputs } from './part-outputs.ts';

/** How often a class or a label was predicted rightly and wrongly. */
export interface Found {
  /** Samples that have it, and were said to. */
  readonly hits: number;
  /** Samples that have it, but weren't said to. */
  readonly missed: number;
  /** Samples that don't have it, but were said to. */
  readonly wrong: number;
}

/** Precision, recall and F1, each 0 to 1. */
export interface Rates {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** A class or a label. Rates without anything to divide by are 0, as scikit-learn has it. */
export interface Score extends Rates {
  /** Samples that have it. */
  readonly support: number;
  /** Samples that were said to have it; 0: its precision has nothing to divide by. */
  readonly predicted: number;
}

export interface Scores {
  readonly each: readonly Score[];
  /** The means over all that samples have or were said to have: a class that is in neither doesn't count. */
  readonly macro: Rates;
}

/** Two classes that were confused, and how often. */
export interface Confused {
  readonly truth: number;
  readonly guess: number;
  readonly samples: number;
}

export function scoresOf(found: readonly Found[]): Scores {
  const each = found.map(({ hits, missed, wrong }): Score => {
    return {
      support: hits + missed,
      predicted: hits + wrong,
      precision: ratio(hits, hits + wrong),
      recall: ratio(hits, hits + missed),
      f1: ratio(2 * hits, 2 * hits + missed + wrong),
    };
  });
  const counted = each.filter(isFound);
  const mean = (rate: keyof Rates): number =>
    ratio(
      counted.reduce((sum, score) => sum + score[rate], 0),
      counted.length,
    );
  return { each, macro: { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') } };
}

/** Whether samples have it, or were said to. */
export function isFound({ support, predicted }: Score): boolean {
  return support + predicted > 0;
}

/** The places of scores, those of the lowest F1 first; what no sample has and none was said to have is left out. */
export function worstFirst({ each }: Scores): number[] {
  const f1 = (k: number): number => (each[k] as Score).f1;
  return [...each.keys()].filter((k) => isFound(each[k] as Score)).sort((a, b) => f1(a) - f1(b) || a - b);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** @param truths [samples] @param guesses [samples] */
export function classScores(truths: Uint16Array, guesses: Uint16Array, classes: number): Scores {
  const found = Array.from({ length: classes }, () => ({ hits: 0, missed: 0, wrong: 0 }));
  for (const [i, truth] of truths.entries()) {
    const guess = guesses[i] as number;
    const [own, said] = [found[truth], found[guess]] as [(typeof found)[0], (typeof found)[0]];
    if (guess === truth) own.hits++;
    else {
      own.missed++;
      said.wrong++;
    }
  }
  return scoresOf(found);
}

/** All pairs of different classes that were confused, the most frequent first. */
export function confusedPairs(truths: Uint16Array, guesses: Uint16Array, classes: number): Confused[] {
  const counts = new Map<number, number>();
  for (const [i, truth] of truths.entries()) {
    const pair = truth * classes + (guesses[i] as number);
    if (guesses[i] !== truth) counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const pairs = Array.from(counts, ([pair, samples]) => {
    return { truth: Math.floor(pair / classes), guess: pair % classes, samples };
  });
  return pairs.sort((a, b) => b.samples - a.samples || a.truth - b.truth || a.guess - b.guess);
}

/** As the head has it: a label is said to be there if its logit is positive. @param targets [samples][labels] */
export function labelScores(parts: Iterable<PartOutputs>, targets: Float32Array, labels: number) {
  const found = Array.from({ length: labels }, () => ({ hits: 0, missed: 0, wrong: 0 }));
  let right = 0;
  for (const { first, count, outputs } of parts) {
    for (let sample = 0; sample < count; sample++) {
      let isRight = true;
      for (const [label, own] of found.entries()) {
        const said = (outputs[sample * labels + label] as number) > 0;
        const there = (targets[(first + sample) * labels + label] as number) > 0.5;
        if (said && there) own.hits++;
        else if (there) own.missed++;
        else if (said) own.wrong++;
        isRight &&= said === there;
      }
      if (isRight) right++;
    }
  }
  return { accuracy: right / (targets.length / labels), scores: scoresOf(found) };
}
