import type { Evaluation } from './executor.ts';
import type { TreeNode } from './tree.ts';

/** Results of consecutive chunks of the test set. */
export interface EvaluatedChunks {
  readonly node: TreeNode;
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
  for (const { node, losses, predictions: classes } of parts) {
    for (let i = 0; i < losses.length; i++) lossSum += losses[i] as number;
    predictions.set(classes, node.begin * chunkSize);
  }
  return { lossSum, predictions };
}
