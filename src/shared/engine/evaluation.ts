import type { Evaluation } from './executor.ts';
import type { ShardRange } from './tree.ts';

/** Results of consecutive chunks of the test set. */
export interface EvaluatedChunks {
  readonly range: ShardRange;
  /** [chunks] */
  readonly losses: ArrayLike<number>;
  /** [samples]: the class of each sample of the chunks. */
  readonly predictions: Uint8Array;
}

/** The evaluation of a whole test set: losses added chunk by chunk. @param parts ascending, all chunks */
export function joinChunks(
  parts: readonly EvaluatedChunks[],
  { samples, chunkSize }: { readonly samples: number; readonly chunkSize: number },
): Evaluation {
  const predictions = new Uint8Array(samples);
  let lossSum = 0;
  for (const { range, losses, predictions: classes } of parts) {
    for (let i = 0; i < losses.length; i++) lossSum += losses[i] as number;
    predictions.set(classes, range.begin * chunkSize);
  }
  return { lossSum, predictions };
}

/** Counts of images by [truth][guess]. */
export function confusionOf(truths: Uint8Array, guesses: Uint8Array, classes: number): number[][] {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (const [i, truth] of truths.entries()) {
    const row = confusion[truth] as number[];
    const guess = guesses[i] as number;
    row[guess] = (row[guess] as number) + 1;
  }
  return confusion;
}
