import type { StateVersion } from '../../shared/engine/executor.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { LocalPool } from '../../worker/pool/pool.ts';
import type { Assignment, AssignmentResult, Member } from './member.ts';

/** The coordinator's own threads as a member. */
export class LocalMember implements Member {
  readonly name = 'local';
  readonly isLocal = true;
  readonly #pool: LocalPool;
  /** The step whose partial gradients the pool still has. */
  #t: number | undefined;

  constructor(pool: LocalPool) {
    this.#pool = pool;
  }

  get threads(): number {
    return this.#pool.workers;
  }

  /** @throws WorkerError if the same shards failed repeatedly */
  async work({ kind, t, steps, weights, ranges }: Assignment): Promise<AssignmentResult> {
    if (kind === 'evaluate') return { kind, chunks: await this.#pool.evaluateChunks(weights, ranges) };
    const keeps = this.#t === t;
    this.#t = t;
    if (kind === 'replica') {
      const state = weights as StateVersion;
      const { partials, seconds } = await this.#pool.replicas({ t, steps, state, ranges, keeps });
      return { kind, partials, phases: seconds };
    }
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
