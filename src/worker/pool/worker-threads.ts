import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { BlockWork } from './block-work.ts';
import type { Job } from './job.ts';
import { type Command, Mailbox } from './mailbox.ts';
import { StartupMutex } from './startup-mutex.ts';
import type { ThreadSetup } from './thread.ts';

const MAX_LAUNCHES = 5;
/** Weight of the newest measurement in a worker's speed. */
const SPEED_GAIN = 0.1;

/** What it guards is the process's, so all crews share it; so do the tickets. */
const START_UP = new StartupMutex(new Int32Array(new SharedArrayBuffer(4)));
let owners = 0;

/** What the crew itself gives to each start. */
export type WorkerThreadSetup = Omit<ThreadSetup, 'startupMutex' | 'owner'>;

/** A command that a worker was given. Its regions are the attempt's own until it has settled. */
export interface Attempt {
  readonly command: Command;
  readonly ranges: readonly ShardRange[];
  /** What the nodes belong to; none where the command is only an update. */
  readonly job: Job | undefined;
  /** What the command's blocks belong to, unless they were given to others since. */
  blocks: BlockWork | undefined;
  readonly sequence: number;
  /** When it came to be the worker's first; in milliseconds. */
  startedAt: number;
  /** Counts among the readers of its job's weights. */
  reads: boolean;
  /** Others were given the same nodes since. */
  abandoned: boolean;
}

/** A worker: the thread that listens to the mailbox now, and what it is at. */
export interface Slot {
  readonly worker: number;
  readonly setup: WorkerThreadSetup;
  readonly mailbox: Mailbox;
  /** In the order in which the worker takes them; at most DEPTH. */
  readonly queue: Attempt[];
  /** Units per second; undefined until measured. */
  readonly speeds: Record<Job['kind'], number | undefined>;
  /** Starts without a single finished command. */
  launches: number;
}

export interface WorkerThreadEvents {
  /** The worker's thread is gone, and with it everything that could still write to its attempt's buffers. */
  readonly onLost: (slot: Slot, cause: Error) => void;
  /** A worker can't start at all. */
  readonly onFatal: (error: WorkerError) => void;
}

/** The threads, each in one resident Piscina task, and replaced where it dies. */
export class WorkerThreads {
  readonly slots: readonly Slot[];
  readonly #piscina: Piscina;
  readonly #events: WorkerThreadEvents;
  #closing = false;

  /** Starts the threads; they need not be up when this returns. */
  constructor(setups: readonly WorkerThreadSetup[], events: WorkerThreadEvents) {
    this.#events = events;
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL(`./thread${extname(import.meta.url)}`, import.meta.url)),
      name: 'resident',
      minThreads: setups.length,
      maxThreads: setups.length,
      idleTimeout: Number.POSITIVE_INFINITY,
      // A resident task never returns to Piscina's own waiting loop.
      atomics: 'disabled',
      recordTiming: false,
      // A worker's JavaScript makes little but short-lived garbage; left alone, each thread's nursery grows to 48 MB.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    this.slots = setups.map((setup) => ({
      worker: setup.worker,
      setup,
      mailbox: new Mailbox(setup.mailbox),
      queue: [],
      speeds: { gradient: undefined, evaluate: undefined },
      launches: 0,
    }));
    for (const slot of this.slots) this.#launch(slot);
  }

  /** Workers that are up and have nothing to do. */
  get free(): Slot[] {
    return this.slots.filter(({ queue, mailbox }) => queue.length === 0 && mailbox.thread !== 0);
  }

  /** No worker has anything to do. */
  get idle(): boolean {
    return this.slots.every(({ queue }) => queue.length === 0);
  }

  get ready(): number {
    let ready = 0;
    for (const { mailbox } of this.slots) if (mailbox.thread !== 0) ready++;
    return ready;
  }

  /** Each one's units per second; what hasn't been measured counts as average. */
  speedsOf(slots: readonly Slot[], kind: Job['kind']): number[] {
    let sum = 0;
    let known = 0;
    for (const { speeds } of slots) {
      sum += speeds[kind] ?? 0;
      known += speeds[kind] === undefined ? 0 : 1;
    }
    return slots.map(({ speeds }) => speeds[kind] ?? (known === 0 ? 1 : sum / known));
  }

  /** Takes a finished command's time into the worker's speed. */
  measure({ speeds }: Slot, { job, ranges }: Attempt, seconds: number): void {
    if (job === undefined) return;
    const speed = unitCount(ranges) / Math.max(seconds, 1e-6);
    const before = speeds[job.kind] ?? speed;
    speeds[job.kind] = before + SPEED_GAIN * (speed - before);
  }

  /** Ends a worker's thread; another takes its place. */
  async terminate({ mailbox }: Slot): Promise<void> {
    const thread: Worker | undefined = this.#piscina.threads.find(({ threadId }) => threadId === mailbox.thread);
    await thread?.terminate();
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#piscina.destroy();
  }

  #launch(slot: Slot): void {
    slot.launches++;
    slot.mailbox.reset();
    const owner = ++owners;
    const setup: ThreadSetup = { ...slot.setup, startupMutex: START_UP.words, owner };
    this.#piscina.run(setup).then(
      () => {},
      (error: unknown) => {
        // It may have died in its turn.
        START_UP.release(owner);
        this.#lost(slot, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #lost(slot: Slot, cause: Error): void {
    if (this.#closing) return;
    const idle = slot.queue.length === 0;
    this.#events.onLost(slot, cause);
    if (idle && slot.launches >= MAX_LAUNCHES) {
      this.#events.onFatal(new WorkerError(`Worker ${slot.worker} can't start: ${cause.message}`, { cause }));
    } else {
      this.#launch(slot);
    }
  }
}
