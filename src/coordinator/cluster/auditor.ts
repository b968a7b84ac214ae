import type { WeightsVersion } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import type { Member } from './member.ts';

/** What a member delivered. */
export type Delivered<Held> = Held & { readonly member: Member };

/** The step or round that deliveries belong to. */
export interface AuditedJob {
  readonly t: number;
  readonly steps: number;
  readonly weights: WeightsVersion & Partial<StateVectors>;
}

/**
 * Looks at what members delivered: compares what two of them computed of the same range, and computes in the coordinator's own thread
 * what they disagree on, or what isn't finite. Whoever is wrong is expelled.
 */
export abstract class Auditor<Held extends { readonly range: ShardRange }> {
  /** Comparisons so far. */
  readonly counts = { match: 0, mismatch: 0 };

  /**
   * Compares a duplicate with what is known of the same range: one result, or those that make it up.
   * @returns what is right, if any of it was wrong
   */
  compare(job: AuditedJob, known: readonly Delivered<Held>[], duplicate: Delivered<Held>): Delivered<Held>[] {
    if (this.areSame(this.sum(known, duplicate.range), duplicate)) {
      this.counts.match++;
      return [];
    }
    this.counts.mismatch++;
    return [...known, duplicate].flatMap((each) => this.#judge(job, each, 'badResult'));
  }

  /**
   * Computes again what makes up a sum that isn't finite: each part may be finite, and yet so large that only their sum isn't. Another
   * machine's NaN may have other bits: if it isn't finite here either, it stays.
   * @returns what is finite here and was delivered with other bits
   */
  recheck(job: AuditedJob, delivered: readonly Delivered<Held>[]): Delivered<Held>[] {
    return delivered.flatMap((each) => this.#judge(job, each, this.areFinite(each) ? 'badResult' : 'notFinite'));
  }

  abstract areFinite(held: Held): boolean;
  protected abstract areSame(a: Held, b: Held): boolean;
  /** The sum of disjoint parts; it holds until the next call of anything here. */
  protected abstract sum(parts: readonly Held[], range: ShardRange): Held;
  /** Computes a range in the calling thread; the result holds as long. */
  protected abstract compute(job: AuditedJob, range: ShardRange): Held;
  /** `held` with the contents of `truth`. */
  protected abstract corrected(held: Delivered<Held>, truth: Held): Delivered<Held>;
  protected abstract nameOf(job: AuditedJob, range: ShardRange): string;

  #judge(job: AuditedJob, delivered: Delivered<Held>, closeCode: 'badResult' | 'notFinite'): Delivered<Held>[] {
    const { range, member } = delivered;
    const truth = this.compute(job, range);
    if (this.areSame(truth, delivered) || !this.areFinite(truth)) return [];
    const right = this.corrected(delivered, truth);
    member.expel(closeCode, this.nameOf(job, range));
    return [right];
  }
}
