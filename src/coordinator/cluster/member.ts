import type { LossSum } from '../../shared/engine/backend.ts';
import type { EvaluatedChunks } from '../../shared/engine/evaluation.ts';
import type { GradientPhases, PartialGradient, PartialState, WeightsVersion } from '../../shared/engine/executor.ts';
import type { RoundFigures } from '../../shared/engine/round-figures.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import type { JobOptions } from '../../shared/scheduler/job.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';

/** Work for one member: disjoint ranges of a step's reduction tree, of the tree over replicas, or of the test set's chunks. */
export interface Assignment {
  readonly kind: JobOptions['kind'];
  /** Updates done before the step or the evaluation. */
  readonly t: number;
  /** Local steps of replicas; 1 for anything else. */
  readonly steps: number;
  /** With moments for replicas. */
  readonly weights: WeightsVersion & Partial<StateVectors>;
  readonly ranges: readonly ShardRange[];
}

/** A partial gradient in a buffer that isn't the cluster's: it is copied before the buffer is used again. */
export interface RemotePartial extends LossSum {
  readonly range: ShardRange;
  /** Writes the gradient over `target`, [parameters]. */
  copyTo(target: Float32Array): void;
}

/** The same for the sum of replicas' states. */
export interface RemoteState {
  readonly range: ShardRange;
  readonly figures: RoundFigures;
  copyTo(target: StateVectors): void;
}

/** `seconds`: spent on computing alone; all of the time by default. `phases`: what they were spent on; on computing by default. */
export type AssignmentResult =
  | {
      readonly kind: 'gradient';
      readonly partials: readonly (PartialGradient | RemotePartial)[];
      readonly seconds?: number;
      readonly phases?: GradientPhases;
    }
  | {
      readonly kind: 'replica';
      readonly partials: readonly (PartialState | RemoteState)[];
      readonly seconds?: number;
      readonly phases?: GradientPhases & { readonly update: number };
    }
  | { readonly kind: 'evaluate'; readonly chunks: readonly EvaluatedChunks[]; readonly seconds?: number };

/** A member left, or its connection was lost: no fault of its assignment. */
export class MemberGoneError extends Error {}

/** What became of the shards that a member was given, why it was given them, and how many partial gradients it sent for them. */
export interface ShardCounts {
  readonly assigned: AttemptCounts;
  done: number;
  late: number;
  lost: number;
  partials: number;
}

/** Whatever the cluster gives work to: the coordinator's own threads, or a remote node. */
export interface Member {
  /** The metrics' node label. */
  readonly name: string;
  /** The threads of this process. */
  readonly isLocal?: boolean;
  /** Threads, which stand for its speed until that is measured. */
  readonly threads: number;
  /**
   * Computes one assignment at a time.
   * @throws MemberGoneError if the member left, anything else if it failed; nothing of the assignment will come then
   */
  work(assignment: Assignment): Promise<AssignmentResult>;
  /** It delivered what was computed otherwise elsewhere, and in the coordinator too. It gets no more work. */
  expel(closeCode: 'badResult' | 'notFinite', what: string): void;
}
