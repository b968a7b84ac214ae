import type { Evaluation } from './executor.ts';
import type { ShardRange } from './tree.ts';

/** The sizes of what is evaluated. */
export interface EvaluationSizes {
  readonly testSamples: number;
  /** Training samples that are held back. */
  readonly validationSamples: number;
  /** Samples of one chunk. */
  readonly chunkSize: number;
}

/** The chunks of an evaluation: those of the test set, then those of the validation samples. None has samples of both. */
export class EvaluationChunks {
  readonly sizes: EvaluationSizes;
  /** Chunks of the test set. */
  readonly tests: number;
  /** All chunks. */
  readonly count: number;

  constructor(sizes: EvaluationSizes) {
    const { testSamples, validationSamples, chunkSize } = sizes;
    this.sizes = sizes;
    this.tests = Math.ceil(testSamples / chunkSize);
    this.count = this.tests + Math.ceil(validationSamples / chunkSize);
  }

  /** Samples of the chunks before one, those of the test set being the first. */
  before(chunk: number): number {
    const { testSamples, validationSamples, chunkSize } = this.sizes;
    const tested = Math.min(chunk * chunkSize, testSamples);
    return tested + Math.min(Math.max(0, chunk - this.tests) * chunkSize, validationSamples);
  }

  samplesIn({ begin, end }: ShardRange): number {
    return this.before(end) - this.before(begin);
  }
}

/** Results of consecutive chunks. */
export interface EvaluatedChunks {
  readonly range: ShardRange;
  /** [chunks] */
  readonly losses: ArrayLike<number>;
  /** [samples]: the class of each sample of the chunks. */
  readonly predictions: Uint16Array;
}

/** A whole evaluation: losses added chunk by chunk. @param parts ascending, all chunks */
export function joinChunks(parts: readonly EvaluatedChunks[], chunks: EvaluationChunks): Evaluation {
  const { testSamples, validationSamples } = chunks.sizes;
  const all = new Uint16Array(testSamples + validationSamples);
  let [tested, validated] = [0, 0];
  for (const { range, losses, predictions } of parts) {
    for (let i = 0; i < losses.length; i++) {
      if (range.begin + i < chunks.tests) tested += losses[i] as number;
      else validated += losses[i] as number;
    }
    all.set(predictions, chunks.before(range.begin));
  }
  const test = { lossSum: tested, predictions: all.subarray(0, testSamples) };
  if (validationSamples === 0) return test;
  return { ...test, validation: { lossSum: validated, predictions: all.subarray(testSamples) } };
}

/** Counts of images by [truth][guess]. */
export function confusionOf(truths: Uint16Array, guesses: Uint16Array, classes: number): number[][] {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const [i, truth] of truths.entries()) {
    const row = confusion[truth] as number[];
    const guess = guesses[i] as number;
    row[guess] = (row[guess] as number) + 1;
  }
  return confusion;
}
