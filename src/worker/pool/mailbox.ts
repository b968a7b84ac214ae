import type { GradientPhases } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';

/** Most ranges that one command carries: a run of shards has at most two ranges a level of the tree. */
export const MAX_RANGES = 40;

const SEQUENCE = 0;
const FINISHED = 1;
const THREAD = 2;
const ENTRIES = 3;

/** Commands that may be under way at once: the one that the worker is at and those behind it. A power of two. */
export const DEPTH = 4;

// Words of an entry: the command, then the answer to it.
const KIND = 0;
const T = 1;
const WEIGHTS = 2;
const GENERATION = 3;
const AFTER = 4;
const RECORD = 5;
const BLOCKS = 6;
const SECONDS = 8;
const OUTCOME = 14;
const COUNT = 15;
const STEPS = 16;
const FIRST_SHARD = 17;
const TARGETS = 18;
const TARGET_WORDS = 3;
/** The longest time that a word holds: about 36 minutes. */
const MAX_MICROSECONDS = 2 ** 31 - 1;
const ENTRY_WORDS = TARGETS + TARGET_WORDS * MAX_RANGES;

/** 32-bit words of one mailbox. */
export const MAILBOX_WORDS = ENTRIES + DEPTH * ENTRY_WORDS;

/** Seconds of an answer, in the order of their words. */
const TIMES = ['total', 'work', 'sample', 'compute', 'reduce', 'update'] as const;

const KINDS = ['gradient', 'step', 'update', 'evaluate', 'replica'] as const;

/** A range of the tree (of shards, replicas or evaluation chunks) and the region that receives its result. */
export interface RangeTarget {
  readonly range: ShardRange;
  /** Pointer to a result region. */
  readonly region: number;
}

/**
 * `gradient`, `replica` and `evaluate` fill the regions of their targets, `update` applies blocks of an update record; `step` is a
 * gradient and then, once all workers of the same generation have theirs, an update.
 */
export interface Command {
  readonly kind: (typeof KINDS)[number];
  readonly t: number;
  /** Pointer to the weights; of `replica`, to the state that begins with them. */
  readonly weights: number;
  /** Local steps of `replica`. */
  readonly steps: number;
  /** Added to the shards of `gradient` and `step`. */
  readonly firstShard: number;
  readonly targets: readonly RangeTarget[];
  /** Generation of the step's barriers; 0: none. */
  readonly generation: number;
  /** Generation of the step whose update must be complete before this one begins; 0: none. */
  readonly after: number;
  /** Which update record, and which of its blocks. */
  readonly record: number;
  readonly blocks: ShardRange;
}

/** What became of a command, and the seconds that it took. */
export interface Answer extends GradientPhases {
  /** From when the worker came to it to its end, waiting for the others included. */
  readonly total: number;
  /** Spent on the targets, whatever the phase. */
  readonly work: number;
  readonly update: number;
  /** The regions are filled. Not so if the step before was broken off. */
  readonly computed: boolean;
  /** The blocks are applied. */
  readonly updated: boolean;
}

/** The answer to a command that was broken off, or lost with its worker. */
export const NOTHING_DONE: Answer = {
  total: 0,
  work: 0,
  sample: 0,
  compute: 0,
  reduce: 0,
  update: 0,
  computed: false,
  updated: false,
};

/**
 * One worker's commands and its answers in shared memory. The pool writes a command, then counts the sequence up; the worker
 * works on one after the other and counts up what it finished. Each side touches an entry only while it is its turn.
 */
export class Mailbox {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  // The pool's side.

  /** A new thread finds nothing to do: its predecessor's commands are gone. */
  reset(): void {
    Atomics.store(this.words, THREAD, 0);
    Atomics.store(this.words, FINISHED, Atomics.load(this.words, SEQUENCE));
  }

  /** @returns the command's sequence number */
  send({ targets, blocks, ...command }: Command): number {
    const sequence = (Atomics.load(this.words, SEQUENCE) + 1) | 0;
    const at = entryOf(sequence);
    this.words[at + KIND] = KINDS.indexOf(command.kind);
    this.words[at + T] = command.t;
    this.words[at + WEIGHTS] = command.weights;
    this.words[at + STEPS] = command.steps;
    this.words[at + FIRST_SHARD] = command.firstShard;
    this.words[at + GENERATION] = command.generation;
    this.words[at + AFTER] = command.after;
    this.words[at + RECORD] = command.record;
    this.words[at + BLOCKS] = blocks.begin;
    this.words[at + BLOCKS + 1] = blocks.end;
    this.words[at + COUNT] = targets.length;
    for (const [i, { range, region }] of targets.entries()) {
      const target = at + TARGETS + TARGET_WORDS * i;
      this.words[target] = range.begin;
      this.words[target + 1] = range.end;
      this.words[target + 2] = region;
    }
    Atomics.store(this.words, SEQUENCE, sequence);
    Atomics.notify(this.words, SEQUENCE);
    return sequence;
  }

  hasFinished(sequence: number): boolean {
    return ((Atomics.load(this.words, FINISHED) - sequence) | 0) >= 0;
  }

  /** The answer to a finished command, until DEPTH others were sent. */
  answer(sequence: number): Answer {
    const at = entryOf(sequence);
    const time = (name: (typeof TIMES)[number]): number =>
      (this.words[at + SECONDS + TIMES.indexOf(name)] as number) / 1e6;
    const outcome = this.words[at + OUTCOME] as number;
    return {
      total: time('total'),
      work: time('work'),
      sample: time('sample'),
      compute: time('compute'),
      reduce: time('reduce'),
      update: time('update'),
      computed: (outcome & 1) !== 0,
      updated: (outcome & 2) !== 0,
    };
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
   * Blocks this thread until there is a command; for the first `spinMs` it polls, since waking a sleeping thread takes longer
   * than the pool's own work between two commands.
   */
  receive(spinMs: number): Command {
    const last = Atomics.load(this.words, FINISHED);
    const deadline = performance.now() + spinMs;
    while (Atomics.load(this.words, SEQUENCE) === last) {
      // The timeout changes nothing; no wait is for ever.
      if (performance.now() >= deadline) Atomics.wait(this.words, SEQUENCE, last, 1000);
    }
    const at = entryOf((last + 1) | 0);
    const word = (index: number): number => this.words[at + index] as number;
    return {
      kind: KINDS[word(KIND)] as Command['kind'],
      t: word(T) >>> 0,
      weights: word(WEIGHTS) >>> 0,
      steps: word(STEPS),
      firstShard: word(FIRST_SHARD),
      generation: word(GENERATION),
      after: word(AFTER),
      record: word(RECORD),
      blocks: { begin: word(BLOCKS), end: word(BLOCKS + 1) },
      targets: Array.from({ length: word(COUNT) }, (_, i) => {
        const target = TARGETS + TARGET_WORDS * i;
        return { range: { begin: word(target), end: word(target + 1) }, region: word(target + 2) >>> 0 };
      }),
    };
  }

  finish(answer: Answer): void {
    const sequence = (Atomics.load(this.words, FINISHED) + 1) | 0;
    const at = entryOf(sequence);
    for (const [i, name] of TIMES.entries()) {
      this.words[at + SECONDS + i] = Math.min(MAX_MICROSECONDS, Math.round(answer[name] * 1e6));
    }
    this.words[at + OUTCOME] = (answer.computed ? 1 : 0) | (answer.updated ? 2 : 0);
    Atomics.store(this.words, FINISHED, sequence);
  }
}

function entryOf(sequence: number): number {
  return ENTRIES + ENTRY_WORDS * (sequence & (DEPTH - 1));
}
