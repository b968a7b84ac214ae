import type { EvaluatedChunks } from '../../shared/engine/evaluation.ts';
import type { GradientPhases, PartialGradient, WeightsVersion } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { Assignment, AssignmentResult, Member } from './member.ts';

/** What the coordinator's own threads offer: `LocalPool` of src/worker. */
export interface Threads {
  readonly workers: number;
  gradient(work: {
    readonly t: number;
    readonly weights: WeightsVersion;
    readonly ranges: readonly ShardRange[];
    readonly keeps?: boolean;
  }): Promise<readonly PartialGradient[]>;
  /** Of the last gradient. */
  readonly gradientPhases: GradientPhases;
  evaluateChunks(weights: WeightsVersion, ranges: readonly ShardRange[]): Promise<readonly EvaluatedChunks[]>;
}

/** The coordinator's own threads as a member. */
export class LocalMember implements Member {
  readonly name = 'local';
  readonly #pool: Threads;
  /** The step whose partials the pool still has. */
  #t: number | undefined;

  constructor(pool: Threads) {
    this.#pool = pool;
  }

  get threads(): number {
    return this.#pool.workers;
  }

  /** @throws WorkerError where the same shards failed again and again */
  async work({ kind, t, weights, ranges }: Assignment): Promise<AssignmentResult> {
    if (kind === 'evaluate') return { kind, chunks: await this.#pool.evaluateChunks(weights, ranges) };
    const keeps = this.#t === t;
    this.#t = t;
    const partials = await this.#pool.gradient({ t, weights, ranges, keeps });
    return { kind, partials, phases: this.#pool.gradientPhases };
  }

  /** @throws WorkerError: nobody can be trusted then */
  expel(_closeCode: string, what: string): never {
    throw new WorkerError(
      `This machine computed ${what} twice, and not to the same bits: its memory or processor is at fault. Resume the run elsewhere.`,
    );
  }
}
