import type { LossSum } from './backends/backend.ts';
import type { TreeNode } from './tree.ts';

/** One state of the weights, [parameters] in shared memory. It is overwritten only when nobody reads it. */
export interface WeightsVersion {
  readonly values: Float32Array;
  /** Attempts that read it now; whoever starts one counts it, and counts it out when it has settled. */
  readers: number;
}

/** The sums over the shards under one node of the reduction tree. */
export interface Partial extends LossSum {
  readonly node: TreeNode;
  /** [parameters] */
  readonly gradient: Float32Array;
}

export interface GradientWork {
  /** Updates done before this step: decides which samples it sees. */
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Disjoint nodes of the step's reduction tree. */
  readonly nodes: readonly TreeNode[];
}

export interface Evaluation {
  /** Sum over the test set, by fixed chunks in index order. */
  readonly lossSum: number;
  /** [test samples]: the class of each. */
  readonly predictions: Uint8Array;
}

/** Whatever computes: the local pool of threads, and remote nodes. Workers may crash inside; the promise still holds. */
export interface Executor {
  /**
   * Partials that together make up the work's nodes, each of them or its parts. They may be read, and summed in place,
   * until the next call.
   * @throws WorkerError where the same shards failed again and again
   */
  gradient(work: GradientWork): Promise<readonly Partial[]>;
  /** Classifies the test set. @throws WorkerError as above */
  evaluate(weights: WeightsVersion): Promise<Evaluation>;
  close(): Promise<void>;
}
