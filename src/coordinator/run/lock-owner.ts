import { hostname } from 'node:os';
import { z } from 'zod';
import { isProcessThere } from '../../shared/util/process-there.ts';
import { processStart } from './process-start.ts';

/** A lock that isn't renewed for so long is free, whoever holds it. */
export const LEASE_SECONDS = 120;
/** Several renewals may fail before that. */
export const RENEW_SECONDS = 20;

/** What proves to a later holder that this one is gone: the engine that started it runs it in one place at a time. */
export interface LockProof {
  /** Slurm's job, and how often it has been requeued. */
  readonly slurm?: { readonly job: string; readonly restart: number } | undefined;
  /** A name that only one process has at a time, such as that of a Kubernetes Job. */
  readonly id?: string | undefined;
}

// Positive, because kill(2) takes a pid of 0 or below for a whole process group.
const Owner = z.object({
  host: z.string(),
  pid: z.int32().positive(),
  start: z.string().optional(),
  token: z.uuid(),
  slurm: z.object({ job: z.string(), restart: z.int().min(0) }).optional(),
  id: z.string().optional(),
  /** Seconds without a renewal after which the lock is free; a lock of an older version has none. */
  lease: z.int().positive().optional(),
});
export type Owner = z.infer<typeof Owner>;

/** Of a lock whose holder is gone, so that it can be taken over. */
type GoneState = 'stale' | 'requeued' | 'replaced' | 'expired';

/**
 * `held`: the process is alive; `stale`: it has ended; `requeued`: by Slurm, as this process; `replaced`: by the process with the same
 * id; `expired`: not renewed; `foreign`: on another host, which can't know; `unreadable`.
 */
export type OwnerState = GoneState | 'held' | 'foreign' | 'unreadable';

export function isGone(state: OwnerState): state is GoneState {
  return state !== 'held' && state !== 'foreign' && state !== 'unreadable';
}

export async function newOwner({ slurm, id }: LockProof, token: string): Promise<Owner> {
  const start = await processStart(process.pid);
  return { host: hostname(), pid: process.pid, start, token, slurm, id, lease: LEASE_SECONDS };
}

/** @returns undefined if the text is no lock's */
export function ownerOf(text: string): Owner | undefined {
  try {
    return Owner.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function nameOf(owner: Owner | undefined): string {
  return owner ? `process ${owner.pid} on host ${owner.host}` : 'an unknown process';
}

export interface StateOptions {
  readonly proof: LockProof;
  /** Whether this process itself holds it. */
  readonly isOurs: boolean;
  /** Milliseconds since it was taken or renewed. */
  readonly age: () => Promise<number>;
}

export async function ownerState(owner: Owner | undefined, { proof, isOurs, age }: StateOptions): Promise<OwnerState> {
  if (owner === undefined) return 'unreadable';
  if (owner.host === hostname()) return (await isAlive(owner, isOurs)) ? 'held' : 'stale';
  if (isRequeued(owner, proof)) return 'requeued';
  if (owner.id !== undefined && owner.id === proof.id) return 'replaced';
  if (owner.lease !== undefined && (await age()) > 1000 * owner.lease) return 'expired';
  return 'foreign';
}

/** Whether a process of this host is alive. */
async function isAlive({ pid, start }: Owner, isOurs: boolean): Promise<boolean> {
  // Another lock with this process's pid is from an earlier process.
  if (pid === process.pid) return isOurs;
  if (!isProcessThere(pid)) return false;
  const now = await processStart(pid);
  return now === undefined || start === undefined || now === start;
}

function isRequeued({ slurm: before }: Owner, { slurm: now }: LockProof): boolean {
  return before !== undefined && now !== undefined && before.job === now.job && before.restart < now.restart;
}

const COUNT = /^\d{1,9}$/;

/** Slurm's own variables. A job that was never requeued has no count. */
export function slurmOf({ SLURM_JOB_ID, SLURM_RESTART_COUNT = '0' }: NodeJS.ProcessEnv): LockProof['slurm'] {
  if (!SLURM_JOB_ID || !COUNT.test(SLURM_RESTART_COUNT)) return undefined;
  return { job: SLURM_JOB_ID, restart: Number(SLURM_RESTART_COUNT) };
}
