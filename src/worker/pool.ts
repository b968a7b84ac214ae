import { availableParallelism } from 'node:os';
import { extname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { WorkerError } from '../shared/errors.ts';
import type { Evaluation, Executor, GradientWork, Partial, WeightsVersion } from '../shared/executor.ts';
import type { SharedMemory } from '../shared/kernel/memory.ts';
import { planKernel } from '../shared/kernel/plan.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import { deal } from '../shared/reduction/deal.ts';
import { Round } from '../shared/reduction/round.ts';
import type { SamplerOptions } from '../shared/sampler.ts';
import { depthOf, type TreeNode } from '../shared/tree.ts';
import type { Fault } from './faults.ts';
import { type Assignment, BELL_WORDS, Bell, type Command, MAILBOX_WORDS, MAXIMUM_NODES, Mailbox } from './mailbox.ts';
import { EvaluationRegion, PartialRegion } from './regions.ts';
import type { SampleSet, ThreadSetup } from './thread.ts';

/** Test samples of one evaluation chunk: part of the contract, since losses are summed by chunks. */
const CHUNK_SIZE = 200;
/** How often an open round looks after slow and dead workers, at the least. Keeps the process alive meanwhile. */
const PATROL_MS = 100;
/** A worker is slow at this many times its expected seconds, and hangs at that many more. */
const SLOW_FACTOR = 10;
const SLOW_MINIMUM_SECONDS = 0.25;
const HUNG_SECONDS = 30;
/** Longest block of the event loop, and time between its turns: what a metrics request or a signal may wait. */
const BLOCK_MS = 4;
/** Longer than the coordinator's work between two steps. */
const SPIN_MS = 0.3;
const MAXIMUM_LAUNCHES = 5;
/** Weight of the newest measurement in a worker's speed. */
const SPEED_GAIN = 0.1;

export interface LocalPoolOptions {
  readonly workers: number;
  readonly memory: SharedMemory;
  readonly kernel: WebAssembly.Module;
  readonly layout: ModelLayout;
  /** In `memory`. */
  readonly train: SampleSet;
  readonly test: SampleSet;
  readonly batch: number;
  readonly shardSize: number;
  readonly sampler: SamplerOptions;
  /** Told of every worker that was lost, with the cause. */
  readonly onLost?: (worker: number, cause: Error) => void;
  /** Told when it changes how many workers are ready. */
  readonly onReady?: (ready: number) => void;
  readonly faults?: readonly Fault[];
}

/** Work that one worker was given. Its regions are its own until it has settled. */
interface Attempt {
  readonly round: Round<Assignment>;
  readonly command: Command;
  readonly weights: WeightsVersion;
  readonly nodes: readonly TreeNode[];
  readonly startedAt: number;
  /** Others were given the same nodes since. */
  abandoned: boolean;
}

interface Slot {
  readonly worker: number;
  readonly setup: ThreadSetup;
  readonly mailbox: Mailbox;
  attempt: Attempt | undefined;
  /** Units per second; undefined until measured. */
  readonly speeds: Record<Command['kind'], number | undefined>;
  /** Starts without a single finished command. */
  launches: number;
}

/**
 * The threads of this process as an executor. Each runs one resident Piscina task and is stepped through its mailbox. Work
 * of a thread that dies or is slow goes to the others at once; the thread is replaced.
 */
export class LocalPool implements Executor {
  readonly #options: LocalPoolOptions;
  readonly #piscina: Piscina;
  readonly #bell: Bell;
  readonly #slots: Slot[] = [];
  readonly #partials = new Map<number, PartialRegion>();
  readonly #patrol: NodeJS.Timeout;
  readonly #freeRegions: number[] = [];
  /** Regions of the last round's results, which the caller may still read. */
  #lent: number[] = [];
  #lastTurn = 0;
  #ready = 0;
  #fatal: Error | undefined;
  #closing = false;

  /** Starts the threads; they need not be up when this returns. */
  constructor(options: LocalPoolOptions) {
    this.#options = options;
    const { workers, memory } = options;
    this.#bell = new Bell(memory.int32(BELL_WORDS));
    this.#patrol = setInterval(() => this.#bell.ring(), PATROL_MS).unref();
    this.#allocateRegions();
    const struck = memory.int32(options.faults?.length ?? 0);
    const setups = Array.from({ length: workers }, (_, worker) => this.#setup(worker, struck));
    memory.seal();
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL(`./thread${extname(import.meta.url)}`, import.meta.url)),
      name: 'resident',
      minThreads: workers,
      maxThreads: workers,
      idleTimeout: Number.POSITIVE_INFINITY,
      // A resident task never returns to Piscina's own waiting loop.
      atomics: 'disabled',
      recordTiming: false,
      // A worker's JavaScript makes little but short-lived garbage; left alone, each thread's nursery grows to 48 MB.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    for (const setup of setups) {
      const slot: Slot = {
        worker: setup.worker,
        setup,
        mailbox: new Mailbox(setup.mailbox),
        attempt: undefined,
        speeds: { gradient: undefined, evaluate: undefined, stop: undefined },
        launches: 0,
      };
      this.#slots.push(slot);
      this.#launch(slot);
    }
  }

  get workers(): number {
    return this.#slots.length;
  }

  async gradient({ t, weights, nodes }: GradientWork): Promise<readonly Partial[]> {
    const { batch, shardSize } = this.#options;
    const round = new Round<Assignment>(batch / shardSize, nodes);
    const assignments = await this.#complete(round, 'gradient', t, weights);
    return assignments.map(({ node, region }) => {
      const partial = this.#partials.get(region) as PartialRegion;
      const { lossSum, correct } = partial.read();
      return { node, gradient: partial.gradient, lossSum, correct };
    });
  }

  async evaluate(weights: WeightsVersion): Promise<Evaluation> {
    const samples = this.#options.test.labels.length;
    const chunks = Math.ceil(samples / CHUNK_SIZE);
    const round = new Round<Assignment>(chunks, [{ begin: 0, end: chunks }]);
    const assignments = await this.#complete(round, 'evaluate', 0, weights);
    const predictions = new Uint8Array(samples);
    let lossSum = 0;
    for (const { node, region } of assignments) {
      const result = new EvaluationRegion(this.#options.memory.memory.buffer, region, node, CHUNK_SIZE);
      for (let chunk = node.begin; chunk < node.end; chunk++) {
        lossSum += result.losses[chunk - node.begin] as number;
        const first = chunk * CHUNK_SIZE;
        predictions.set(result.predictions(chunk).subarray(0, samples - first), first);
      }
    }
    return { lossSum, predictions };
  }

  /** Ends a worker's thread as a crash would; for tests and drills. */
  async kill(worker: number): Promise<void> {
    const slot = this.#slots[worker];
    if (slot !== undefined) await this.#thread(slot)?.terminate();
  }

  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#patrol);
    const quiet = this.#slots.every(({ attempt, mailbox }) => attempt === undefined && mailbox.thread !== 0);
    // A round that is open, or asked for later, would wait for ever.
    this.#fatal ??= new Error('The pool was closed.');
    this.#bell.ring();
    if (quiet) {
      for (const { mailbox } of this.#slots) mailbox.send({ kind: 'stop', t: 0, weights: 0, assignments: [] });
      await this.#piscina.close();
    }
    await this.#piscina.destroy();
  }

  /** Works on a round until it is complete; returns its results, whose regions stay lent until the next round. */
  async #complete(
    round: Round<Assignment>,
    kind: 'gradient' | 'evaluate',
    t: number,
    weights: WeightsVersion,
  ): Promise<Assignment[]> {
    this.#freeRegions.push(...this.#lent.splice(0));
    this.#bell.reset();
    this.#patrol.ref();
    try {
      for (;;) {
        const heard = this.#bell.heard;
        this.#settleFinished(round);
        this.#countReady();
        if (this.#fatal !== undefined) throw this.#fatal;
        if (round.complete) return round.results();
        this.#abandonSlow();
        this.#assign(round, kind, t, weights);
        await this.#breathe();
        await this.#bell.wait(heard, BLOCK_MS);
      }
    } finally {
      this.#patrol.unref();
    }
  }

  /** Lets the event loop turn now and then: rounds that are waited for by blocking never do by themselves. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#lastTurn < BLOCK_MS) return;
    await setImmediate();
    this.#lastTurn = performance.now();
  }

  /** Deals what is missing to the workers that are free. */
  #assign(round: Round<Assignment>, kind: 'gradient' | 'evaluate', t: number, weights: WeightsVersion): void {
    const missing = round.missing();
    if (missing.length === 0) return;
    const free = this.#slots.filter(({ attempt, mailbox }) => attempt === undefined && mailbox.thread !== 0);
    const known = free.flatMap(({ speeds }) => speeds[kind] ?? []);
    const mean = known.length === 0 ? 1 : known.reduce((sum, speed) => sum + speed, 0) / known.length;
    const shares = deal(
      round.units,
      missing,
      free.map(({ speeds }) => speeds[kind] ?? mean),
    );
    for (const [i, slot] of free.entries()) {
      // Regions can run short only after many failures; what finds none is dealt later.
      const nodes = (shares[i] ?? []).slice(0, Math.min(MAXIMUM_NODES, this.#freeRegions.length));
      if (nodes.length > 0) this.#start(slot, round, { kind, t, weights, nodes });
    }
  }

  #start(
    slot: Slot,
    round: Round<Assignment>,
    work: { kind: 'gradient' | 'evaluate'; t: number; weights: WeightsVersion; nodes: readonly TreeNode[] },
  ): void {
    const { kind, t, weights, nodes } = work;
    const assignments = nodes.map((node) => ({ node, region: this.#freeRegions.pop() as number }));
    const command = { kind, t, weights: weights.values.byteOffset, assignments };
    weights.readers++;
    round.hold(nodes);
    slot.attempt = { round, command, weights, nodes, startedAt: performance.now(), abandoned: false };
    this.#bell.arm();
    slot.mailbox.send(command);
  }

  #countReady(): void {
    let ready = 0;
    for (const { mailbox } of this.#slots) if (mailbox.thread !== 0) ready++;
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#options.onReady?.(ready);
  }

  /** Takes in every finished attempt; one of an earlier round only gives its buffers back. */
  #settleFinished(round: Round<Assignment>): void {
    for (const slot of this.#slots) {
      const { attempt, mailbox } = slot;
      if (attempt === undefined || !mailbox.finished) continue;
      this.#settle(slot, attempt);
      slot.launches = 0;
      const units = unitCount(attempt.nodes);
      const speed = units / Math.max(mailbox.seconds, 1e-6);
      const before = slot.speeds[attempt.command.kind] ?? speed;
      slot.speeds[attempt.command.kind] = before + SPEED_GAIN * (speed - before);
      const regions = attempt.command.assignments;
      if (attempt.round !== round || round.complete) {
        this.#freeRegions.push(...regions.map(({ region }) => region));
        continue;
      }
      this.#lent.push(...regions.map(({ region }) => region));
      for (const assignment of regions) round.succeed(assignment.node, assignment);
    }
  }

  #settle(slot: Slot, attempt: Attempt): void {
    slot.attempt = undefined;
    attempt.weights.readers--;
    if (!attempt.abandoned) attempt.round.abandon(attempt.nodes);
  }

  /** Gives up waiting for slow workers, and ends those that hang. */
  #abandonSlow(): void {
    for (const slot of this.#slots) {
      const { attempt } = slot;
      if (attempt === undefined) continue;
      const seconds = (performance.now() - attempt.startedAt) / 1000;
      const speed = slot.speeds[attempt.command.kind];
      const expected = speed === undefined ? 1 : unitCount(attempt.nodes) / speed;
      if (!attempt.abandoned && seconds > Math.max(SLOW_MINIMUM_SECONDS, SLOW_FACTOR * expected)) {
        attempt.abandoned = true;
        attempt.round.abandon(attempt.nodes);
        this.#bell.disarm();
      }
      if (seconds > Math.max(HUNG_SECONDS, SLOW_FACTOR * SLOW_FACTOR * expected)) void this.#thread(slot)?.terminate();
    }
  }

  #launch(slot: Slot): void {
    slot.launches++;
    slot.mailbox.reset();
    this.#piscina.run(slot.setup).then(
      () => {},
      (error: unknown) => this.#lost(slot, error instanceof Error ? error : new Error(String(error))),
    );
  }

  /** A worker's task has ended by an error or with its thread: nothing of it runs any more, its buffers are free. */
  #lost(slot: Slot, cause: Error): void {
    const { attempt } = slot;
    if (attempt !== undefined) {
      this.#settle(slot, attempt);
      this.#freeRegions.push(...attempt.command.assignments.map(({ region }) => region));
      const unit = attempt.round.fail(attempt.nodes);
      if (unit !== undefined) this.#fatal = hopeless(attempt.command, unit, cause);
    }
    if (this.#closing) return;
    this.#options.onLost?.(slot.worker, cause);
    if (slot.launches >= MAXIMUM_LAUNCHES && attempt === undefined) {
      this.#fatal = new WorkerError(`Worker ${slot.worker} can't start: ${cause.message}`, { cause });
    } else {
      this.#launch(slot);
    }
    if (attempt !== undefined) this.#bell.count();
    this.#bell.ring();
  }

  #thread(slot: Slot): Worker | undefined {
    return this.#piscina.threads.find(({ threadId }) => threadId === slot.mailbox.thread);
  }

  #setup(worker: number, struck: Int32Array): ThreadSetup {
    const { memory, kernel, layout, train, test, sampler, shardSize, batch, workers, faults } = this.#options;
    const levels = depthOf(batch / shardSize);
    return {
      worker,
      memory: memory.memory,
      kernel,
      plan: planKernel(layout, shardSize, memory),
      mailbox: memory.int32(MAILBOX_WORDS),
      bell: this.#bell.words,
      train,
      test,
      sampler,
      shardSize,
      chunkSize: CHUNK_SIZE,
      levels: Array.from({ length: levels }, () => memory.parameters(layout.parameters)),
      spinMs: workers <= availableParallelism() ? SPIN_MS : 0,
      faults: { list: faults ?? [], struck },
    };
  }

  /** Enough for two full rounds of every worker; memory is only taken by those that are used. */
  #allocateRegions(): void {
    const { memory, layout, test, workers, batch, shardSize } = this.#options;
    const chunks = Math.ceil(test.labels.length / CHUNK_SIZE);
    const bytes = Math.max(PartialRegion.bytes(layout.parameters), EvaluationRegion.bytes(chunks, CHUNK_SIZE));
    const nodesOfRun = 2 * Math.max(1, depthOf(batch / shardSize), depthOf(chunks));
    for (let i = 0; i < 2 * workers * nodesOfRun; i++) {
      const region = memory.allocate(bytes);
      this.#freeRegions.push(region);
      this.#partials.set(region, new PartialRegion(memory.memory.buffer, region, layout.parameters));
    }
    // The first to be used is the last: a few regions serve a calm run.
    this.#freeRegions.reverse();
  }
}

function unitCount(nodes: readonly TreeNode[]): number {
  return nodes.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

function hopeless({ kind, t }: Command, unit: number, cause: Error): WorkerError {
  const what = kind === 'gradient' ? `shard ${unit} of step ${t + 1}` : `chunk ${unit} of the test set`;
  const message = `Workers failed on ${what} again and again; the last cause: ${cause.message}`;
  return new WorkerError(message, { cause, ...(kind === 'gradient' ? { step: t + 1 } : {}) });
}
