import type { LossSum } from '../../shared/engine/backend.ts';
import type { EvaluatedChunks } from '../../shared/engine/evaluation.ts';
import type { GradientPhases, PartialGradient, WeightsVersion } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';

/** Work for one member: disjoint nodes of a step's reduction tree, or ranges of the test set's chunks. */
export interface Assignment {
  readonly kind: 'gradient' | 'evaluate';
  /** Updates done before; of an evaluation too. */
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly ranges: readonly ShardRange[];
}

/** The gradient sum of a node in a buffer that isn't the cluster's: it is copied, or given back. */
export interface RemotePartial extends LossSum {
  readonly range: ShardRange;
  /** Writes the gradient over `target`, [parameters]. */
  copyTo(target: Float32Array): void;
}

/** `seconds`: of computing alone; all of the time where it isn't told. `phases`: what they were spent on; on computing where it isn't told. */
export type AssignmentResult =
  | {
      readonly kind: 'gradient';
      readonly partials: readonly (PartialGradient | RemotePartial)[];
      readonly seconds?: number;
      readonly phases?: GradientPhases;
    }
  | { readonly kind: 'evaluate'; readonly chunks: readonly EvaluatedChunks[]; readonly seconds?: number };

/** A member left, or its connection was lost: no fault of the piece that it was at. */
export class MemberGoneError extends Error {}

/** What became of the shards that a member was given, why it was given them, and how many partials it sent for them. */
export interface ShardCounts {
  readonly assigned: AttemptCounts;
  done: number;
  late: number;
  lost: number;
  partials: number;
}

/** Whoever computes pieces: the coordinator's own threads, or a remote node. */
export interface Member {
  /** The metrics' node label. */
  readonly name: string;
  /** Threads, which stand for its speed until that is measured. */
  readonly threads: number;
  /**
   * One piece at a time.
   * @throws MemberGoneError where the member left, anything else where it failed at the piece; nothing of it will come then
   */
  work(assignment: Assignment): Promise<AssignmentResult>;
  /** It delivered what was computed otherwise elsewhere, and in the coordinator too. It gets no more work. */
  expel(closeCode: 'badResult' | 'notFinite', what: string): void;
}
