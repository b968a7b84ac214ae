import type { Executor } from '#src/shared/engine/executor.js';
import type { Fault } from '#src/worker/pool/faults.js';
import { type Outcome, poolWith, Session, type SessionOptions } from './session.ts';

/** Far behind the pool's limit for a slow worker, a quarter of a second. */
export const STALL_MS = 2000;
/** Longer than a thread lives that is ended while it stalls. */
const KILLED_MS = 10_000;

/** What befalls a worker while it computes step t; `kill`: its thread is terminated from outside, while it stalls. */
export interface Disturbance {
  readonly worker: number;
  readonly t: number;
  readonly kind: Fault['kind'] | 'kill';
}

/** How a session names the loss of a disturbed worker. */
export function describeLoss({ worker, t, kind }: Disturbance): string {
  return `${worker} ${kind === 'throw' ? `injected fault at t = ${t}` : 'thread gone'}`;
}

export interface Disturbed {
  readonly outcome: Outcome;
  /** As `describeLoss` has it. */
  readonly lost: readonly string[];
  /** Steps that were complete while a worker was still on them. */
  readonly overtaken: ReadonlySet<number>;
}

/** Trains while the workers are disturbed. */
export async function runDisturbed(options: SessionOptions, disturbances: readonly Disturbance[]): Promise<Disturbed> {
  const faults = disturbances.map(({ worker, t, kind }): Fault => {
    if (kind === 'kill') return { worker, t, kind: 'stall', milliseconds: KILLED_MS };
    return { worker, t, kind, milliseconds: STALL_MS };
  });
  const session = new Session({ ...options, faults });
  const overtaken = new Set<number>();
  try {
    const outcome = await session.run(disturbed(session, disturbances, overtaken));
    // Late answers and losses come in.
    await session.rally();
    const lost = session.lost.map(({ worker, cause: { message } }) => {
      return `${worker} ${message.startsWith('injected') ? message : 'thread gone'}`;
    });
    return { outcome, lost, overtaken };
  } finally {
    await session.close();
  }
}

/** The session's pool; at a step with disturbances every worker is up and gets work, so that each of them happens. */
function disturbed(session: Session, disturbances: readonly Disturbance[], overtaken: Set<number>): Executor {
  const { pool } = session.engine;
  return poolWith(session.engine, {
    // A step begins when it is awaited, so that everybody can be brought together before it.
    depth: 1,
    begin(work) {
      const now = disturbances.filter(({ t }) => t === work.t);
      if (now.length === 0) return pool.begin(work);
      return {
        async finish() {
          await session.rally();
          const step = pool.begin(work);
          const killed = now.filter(({ kind }) => kind === 'kill');
          const [result] = await Promise.all([step.finish(), ...killed.map(({ worker }) => pool.kill(worker))]);
          if (work.current.readers > 0) overtaken.add(work.t);
          return result;
        },
      };
    },
  });
}
