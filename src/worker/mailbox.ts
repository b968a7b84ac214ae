import type { TreeNode } from '../shared/tree.ts';

/** Most nodes that one command carries: a run of shards covers at most two nodes a level of the tree. */
export const MAXIMUM_NODES = 40;

const SEQUENCE = 0;
const FINISHED = 1;
const THREAD = 2;
const MICROSECONDS = 3;
const KIND = 4;
const T = 5;
const WEIGHTS = 6;
const COUNT = 7;
const NODES = 8;
const NODE_WORDS = 3;

/** 32-bit words of one mailbox. */
export const MAILBOX_WORDS = NODES + NODE_WORDS * MAXIMUM_NODES;

const KINDS = ['gradient', 'evaluate', 'stop'] as const;
export type CommandKind = (typeof KINDS)[number];

/** A tree node (of shards, or of evaluation chunks) and the region that receives its result. */
export interface Assignment {
  readonly node: TreeNode;
  /** Pointer to a result region. */
  readonly region: number;
}

export interface Command {
  readonly kind: CommandKind;
  readonly t: number;
  /** Pointer to the weights. */
  readonly weights: number;
  readonly assignments: readonly Assignment[];
}

/**
 * One worker's command and its answer in shared memory. The pool writes a command, then the sequence number; the worker
 * works on it and writes that number back. Each side touches the words only while the other waits.
 */
export class Mailbox {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  // The pool's side.

  /** The command was the last that a thread will see of its predecessor's: a new thread starts on a clean sheet. */
  reset(): void {
    Atomics.store(this.words, THREAD, 0);
    Atomics.store(this.words, FINISHED, Atomics.load(this.words, SEQUENCE));
  }

  send({ kind, t, weights, assignments }: Command): void {
    this.words[KIND] = KINDS.indexOf(kind);
    this.words[T] = t;
    this.words[WEIGHTS] = weights;
    this.words[COUNT] = assignments.length;
    for (const [i, { node, region }] of assignments.entries()) {
      this.words[NODES + NODE_WORDS * i] = node.begin;
      this.words[NODES + NODE_WORDS * i + 1] = node.end;
      this.words[NODES + NODE_WORDS * i + 2] = region;
    }
    Atomics.add(this.words, SEQUENCE, 1);
    Atomics.notify(this.words, SEQUENCE);
  }

  /** The worker has finished the last command sent. */
  get finished(): boolean {
    return Atomics.load(this.words, FINISHED) === Atomics.load(this.words, SEQUENCE);
  }

  /** Of the last finished command. */
  get seconds(): number {
    return Atomics.load(this.words, MICROSECONDS) / 1e6;
  }

  /** The id of the thread that listens here; 0: none yet. */
  get thread(): number {
    return Atomics.load(this.words, THREAD);
  }

  // The worker's side.

  listen(thread: number): void {
    Atomics.store(this.words, THREAD, thread);
  }

  /**
   * Blocks this thread until a command comes; for the first `spinMs` it polls, since waking a sleeping thread takes longer
   * than the pool's own work between two commands.
   */
  receive(spinMs: number): Command {
    const last = Atomics.load(this.words, FINISHED);
    const patience = spinMs > 0 ? performance.now() + spinMs : 0;
    while (Atomics.load(this.words, SEQUENCE) === last && performance.now() < patience);
    // The deadline changes nothing but that no wait is forever.
    while (Atomics.load(this.words, SEQUENCE) === last) Atomics.wait(this.words, SEQUENCE, last, 1000);
    const word = (index: number): number => this.words[index] as number;
    return {
      kind: KINDS[word(KIND)] as CommandKind,
      t: word(T) >>> 0,
      weights: word(WEIGHTS) >>> 0,
      assignments: Array.from({ length: word(COUNT) }, (_, i) => {
        const at = NODES + NODE_WORDS * i;
        return { node: { begin: word(at), end: word(at + 1) }, region: word(at + 2) >>> 0 };
      }),
    };
  }

  finish(seconds: number): void {
    Atomics.store(this.words, MICROSECONDS, Math.round(seconds * 1e6));
    Atomics.store(this.words, FINISHED, Atomics.load(this.words, SEQUENCE));
  }
}

const LATCH = 0;
const BELL = 1;

/** 32-bit words of a bell. */
export const BELL_WORDS = 2;

/**
 * Wakes the pool's thread once the last of the commands under way has finished, not at each: a wake-up costs tens of
 * microseconds.
 */
export class Bell {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** Nothing is awaited. A worker that still counts out of an earlier round makes a ring too early, never too late. */
  reset(): void {
    Atomics.store(this.words, LATCH, 0);
  }

  /** One more command is awaited. */
  arm(): void {
    Atomics.add(this.words, LATCH, 1);
  }

  /** One that is under way is no longer awaited. */
  disarm(): void {
    Atomics.sub(this.words, LATCH, 1);
  }

  /** A command has finished, or failed with its thread. */
  count(): void {
    if (Atomics.sub(this.words, LATCH, 1) <= 1) this.ring();
  }

  ring(): void {
    Atomics.add(this.words, BELL, 1);
    Atomics.notify(this.words, BELL);
  }

  /** To be read before looking at what might have happened, then given to `wait`. */
  get heard(): number {
    return Atomics.load(this.words, BELL);
  }

  /**
   * Resolves when the bell has rung since `heard`. Blocks the event loop for up to `blockMs`, since being called back by it
   * costs more than a short wait; then something else must keep the loop alive.
   */
  async wait(heard: number, blockMs: number): Promise<void> {
    if (Atomics.wait(this.words, BELL, heard, blockMs) !== 'timed-out') return;
    const waiting = Atomics.waitAsync(this.words, BELL, heard, 10_000);
    if (waiting.async) await waiting.value;
  }
}
