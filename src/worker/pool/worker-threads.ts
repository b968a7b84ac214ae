import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { JobOptions } from '../../shared/scheduler/job.ts';
import { MAX_ATTEMPTS } from '../../shared/scheduler/policy.ts';
import { SpeedEstimate } from '../../shared/scheduler/speed.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { CommandAttempt } from './command-attempt.ts';
import { Mailbox } from './mailbox.ts';
import { StartupMutex } from './startup-mutex.ts';
import type { ThreadSetup, WorkerSetup } from './thread-setup.ts';

/** What it guards is the process's, so all pools share it; so do the owners' numbers. */
const STARTUP_MUTEX = new StartupMutex(new Int32Array(new SharedArrayBuffer(4)));
let owners = 0;
const CODE_RANGE_MB = 16;
/** For how long a pool that is closed waits for threads that are being started, and how often it looks. */
const LOADING_MS = 5000;
const POLL_MS = 5;

/** A worker's place in the pool: the mailbox that its thread listens to, whichever that is now, and what it is at. */
export interface WorkerSlot {
  readonly worker: number;
  readonly setup: WorkerSetup;
  readonly mailbox: Mailbox;
  /** In the order in which the worker takes them; at most DEPTH. */
  readonly queue: CommandAttempt[];
  readonly speeds: Readonly<Record<JobOptions['kind'], SpeedEstimate>>;
  /** Since when it has been given no part of any work, by the watchdog's time; undefined if it was given one the last time. */
  unusedSince: number | undefined;
  /** Starts without a single finished command. */
  launches: number;
  /** There is a thread, though it may not be up yet. */
  isRunning: boolean;
  /** The thread is being ended, and hasn't ended yet. */
  isEnding: boolean;
}

export interface WorkerThreadEvents {
  /** The worker's thread is gone, and with it everything that could still write to its attempts' buffers. */
  readonly onLost: (slot: WorkerSlot, cause: Error) => void;
  /** A worker can't start at all. */
  readonly onFatal: (error: WorkerError) => void;
  /** The number of threads that are up has changed. */
  readonly onReady: (ready: number) => void;
}

/** The threads, each in one resident Piscina task, and replaced when it dies. */
export class WorkerThreads {
  readonly slots: readonly WorkerSlot[];
  readonly #piscina: Piscina;
  readonly #events: WorkerThreadEvents;
  #reported = 0;
  #closing = false;

  /** Starts the threads; they need not be up when this returns. */
  constructor(setups: readonly WorkerSetup[], events: WorkerThreadEvents) {
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
      // A worker's JavaScript makes little but short-lived garbage; left alone, each thread's nursery grows to 48 MB. Its code is small
      // too: by default, each thread reserves 512 MB of addresses for it, of which `ulimit -v` may not leave as many.
      resourceLimits: { maxYoungGenerationSizeMb: 4, codeRangeSizeMb: CODE_RANGE_MB },
    });
    this.slots = setups.map((setup) => ({
      worker: setup.worker,
      setup,
      mailbox: new Mailbox(setup.mailbox),
      queue: [],
      speeds: { gradient: new SpeedEstimate(), replica: new SpeedEstimate(), evaluate: new SpeedEstimate() },
      unusedSince: undefined,
      launches: 0,
      isRunning: false,
      isEnding: false,
    }));
    for (const slot of this.slots) this.#launch(slot);
  }

  /** Workers that are up and have nothing to do. */
  get free(): WorkerSlot[] {
    return this.slots.filter(({ queue, mailbox }) => queue.length === 0 && mailbox.thread !== 0);
  }

  /** No worker has anything to do. */
  get isIdle(): boolean {
    return this.slots.every(({ queue }) => queue.length === 0);
  }

  /** Threads that are up. */
  get ready(): number {
    let ready = 0;
    for (const { mailbox } of this.slots) if (mailbox.thread !== 0) ready++;
    return ready;
  }

  /** Commands that nobody waits for any more, and that workers are still at. */
  get commandsGivenUp(): number {
    let givenUp = 0;
    for (const { queue } of this.slots) for (const attempt of queue) if (attempt.isGivenUp) givenUp++;
    return givenUp;
  }

  /** Calls `onReady` if the number of threads that are up has changed. */
  reportReady(): void {
    const { ready } = this;
    if (ready === this.#reported) return;
    this.#reported = ready;
    this.#events.onReady(ready);
  }

  /** Ends a worker's thread, once; another takes its place. */
  async terminate(slot: WorkerSlot): Promise<void> {
    if (slot.isEnding) return;
    const thread = this.#piscina.threads.find(({ threadId }) => threadId === slot.mailbox.thread);
    slot.isEnding = thread !== undefined;
    await thread?.terminate();
  }

  /** Ends all threads. Node 20 aborts the process if a thread is ended while it links its modules: that is waited for, within bounds. */
  async close(): Promise<void> {
    this.#closing = true;
    const end = performance.now() + LOADING_MS;
    const isLoading = ({ isRunning, mailbox }: WorkerSlot): boolean => isRunning && mailbox.thread === 0;
    while (this.slots.some(isLoading) && performance.now() < end) await sleep(POLL_MS);
    await this.#piscina.destroy();
  }

  #launch(slot: WorkerSlot): void {
    slot.launches++;
    slot.isRunning = true;
    slot.isEnding = false;
    slot.mailbox.reset();
    const owner = ++owners;
    const setup: ThreadSetup = { ...slot.setup, startupMutex: STARTUP_MUTEX.words, owner };
    this.#piscina.run(setup).then(
      () => {
        slot.isRunning = false;
      },
      (error: unknown) => {
        slot.isRunning = false;
        // It may have died while it held the mutex.
        STARTUP_MUTEX.release(owner);
        this.#lost(slot, error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  #lost(slot: WorkerSlot, cause: Error): void {
    if (this.#closing) return;
    const wasIdle = slot.queue.length === 0;
    this.#events.onLost(slot, cause);
    if (wasIdle && slot.launches >= MAX_ATTEMPTS) {
      this.#events.onFatal(new WorkerError(`Worker ${slot.worker} can't start: ${cause.message}`, { cause }));
    } else {
      this.#launch(slot);
    }
  }
}
