import type { PartialGradient, PartialState } from '../../shared/engine/executor.ts';
import { type StateShape, stateIn, stateLength } from '../../shared/engine/state.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import type { Layout } from '../../shared/engine/wasm/memory.ts';
import type { Job } from '../../shared/scheduler/job.ts';
import type { Auditor, Delivered } from './auditor.ts';
import { Buffers } from './buffers.ts';
import type { Member, RemotePartial, RemoteState } from './member.ts';

/** Remote partial gradients of one step; more than one a shard come only after many failures. */
const MAX_BUFFERS = 512;

type Own = PartialGradient | PartialState;
type Foreign = RemotePartial | RemoteState;
/** What members deliver: in this process's memory, or in a buffer that isn't the cluster's. */
export type Delivery = Own | Foreign;

/** Where foreign deliveries are copied to. */
interface HeldBuffers<Held> extends Pick<Buffers<unknown, Held, never>, 'hasRoom' | 'reclaim'> {
  copy(from: Foreign): Held;
}

/** Takes in what members deliver of a step or round: holds it until that is done, and compares what comes twice. */
export class Deliveries<Held extends Own> {
  readonly #buffers: HeldBuffers<Held>;
  readonly #auditor: Auditor<Held>;

  constructor(buffers: HeldBuffers<Held>, auditor: Auditor<Held>) {
    this.#buffers = buffers;
    this.#auditor = auditor;
  }

  /** A new step or round begins. */
  reclaim(): void {
    this.#buffers.reclaim();
  }

  /** Takes a delivery in, or compares it with what is known already. @returns whether it was of any use */
  take(member: Member, job: Job<Delivered<Held>>, partial: Delivery): boolean {
    const { ledger } = job;
    const known = ledger.resultsOf(partial.range);
    if (known === undefined && ledger.isDone(partial.range)) return false;
    const isForeign = 'copyTo' in partial;
    // Room is short only after many failures; what finds none is assigned later.
    if (isForeign && !this.#buffers.hasRoom({ spare: known !== undefined })) return false;
    const delivered = { ...(isForeign ? this.#buffers.copy(partial) : (partial as Held)), member };
    const right = known && this.#auditor.compare(job, known, delivered);
    for (const each of right ?? [delivered]) ledger.succeed(each.range, each);
    return true;
  }
}

export function gradientBuffers(memory: Layout, parameters: number, shards: number) {
  const gradients = Array.from({ length: Math.min(MAX_BUFFERS, 2 * shards) }, () => memory.parameters(parameters));
  return new Buffers(
    gradients,
    ({ range, lossSum, correct }: RemotePartial, gradient: Float32Array): PartialGradient => {
      return { range, lossSum, correct, gradient };
    },
  );
}

/** Each member sends few sums of states: half of the buffers are for those that come twice. */
export function stateBuffers(memory: Layout, shape: StateShape, replicas: number) {
  const states = Array.from({ length: 2 * replicas }, () => stateIn(memory.float32(stateLength(shape)), shape));
  return new Buffers(states, ({ range, figures }: RemoteState, state: StateVectors): PartialState => {
    return { range, figures, state };
  });
}
