import { z } from 'zod';
import { MAX_CLASSES, MAX_SIDE } from '../data/limits.ts';
import type { EvaluationSizes } from '../engine/evaluation.ts';
import { MAX_LOCAL_STEPS, RoundFigures } from '../engine/round-figures.ts';
import { CLOSE_CODES } from './close-codes.ts';
import { RunOptions } from './run-options.ts';

/** Bytes of the data set in one message; the last one may have fewer. A slow link carries it in a second or two, and little is lost with it. */
export const PART_BYTES = 1 << 16;
/** Parts of the largest data set. */
export const MAX_PARTS = 1 << 16;
/** Parts that a node may have asked for and not received. */
export const MAX_PARTS_ASKED = 64;
/** Shard ranges in one message: any run of consecutive shards is covered by as many. */
export const MAX_RANGES = 32;
/** Sums of replicas' states in one message. */
export const MAX_STATE_RANGES = 2;
/** Chunks of an evaluation in one message. */
export const MAX_CHUNKS = 4096;
/** Characters in a failure's message. */
export const MAX_TEXT = 1000;
/** Characters in the name of a run or node. */
export const MAX_NAME = 255;

const MAX_THREADS = 1024;
/** Operations that a node tells of. */
const MAX_OPERATIONS = 512;
const MAX_FROZEN = 1000;
/** Bytes of a model's spec. */
export const MAX_SPEC_BYTES = 1 << 20;
const MAX_HEARTBEAT_SECONDS = 60;
/** Parameters of the largest model. */
const MAX_PARAMETERS = 2 ** 25;

/** Seconds between two heartbeats of either side, as the coordinator's `welcome` says. */
export const HEARTBEAT_SECONDS = 1;
/** Heartbeats without a byte after which either side takes the other for dead. */
export const SILENT_HEARTBEATS = 10;

/** Vectors of the largest state: weights and two moments. */
const MAX_VECTORS = 3;

/** The sizes on which the lengths of bodies depend; a node learns them from `welcome`. */
export interface Limits extends EvaluationSizes {
  readonly parameters: number;
  /** Vectors of `weights`: 1, or those of a state if the job is cut into replicas. */
  readonly vectors: number;
}

/** The limits of a node that waits for `welcome`: no tensor fits. */
export const BEFORE_WELCOME: Limits = {
  parameters: 0,
  vectors: MAX_VECTORS,
  testSamples: 0,
  validationSamples: 0,
  chunkSize: 1,
};
/** The limits of the largest run that a node can take part in. */
export const LARGEST_RUN: Limits = { ...BEFORE_WELCOME, parameters: MAX_PARAMETERS };

/** How a type of message is laid out (docs/protocol.md). */
interface Definition {
  /** The first byte of its frame; never changes its meaning. */
  readonly tag: number;
  /** The longest header in bytes, checked before anything is decoded. */
  readonly headerBytes: number;
  readonly header: z.ZodType<object>;
  /** The longest body in bytes; absent if the type has none. */
  readonly maxBody?: (limits: Limits) => number;
}

export type Definitions = Readonly<Record<string, Definition>>;

const Uint32 = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
/** Up to 2^53 - 1. */
const Count = z.int().min(0);
const Threads = z.int().min(0).max(MAX_THREADS);
const Side = z.int().min(1).max(MAX_SIDE);
const Digest = z.string().regex(/^[0-9a-f]{64}$/);
/** The first digits of a digest. */
const ShortDigest = z.string().regex(/^[0-9a-f]{16}$/);
const Named = z.string().min(1).max(64);
const Name = z.string().min(1).max(MAX_NAME);
const Seconds = z.number().min(0).max(1e9);
// Unlike z.number(), NaN and the infinities too: the receiver decides what such a loss means.
const Float64 = z.custom<number>((value) => typeof value === 'number', 'expected a number');

const isRange = ({ begin, end }: { readonly begin: number; readonly end: number }): boolean => begin < end;
const Range = z.strictObject({ begin: Uint32, end: Uint32 }).refine(isRange, 'expected begin < end');
const Chunks = Range.refine(({ begin, end }) => end - begin <= MAX_CHUNKS, `expected at most ${MAX_CHUNKS} chunks`);
const Sums = z
  .strictObject({ begin: Uint32, end: Uint32, lossSum: Float64, correct: Uint32 })
  .refine(isRange, 'expected begin < end');
/** The sums over replicas of what their local steps found: float64 [2 + 3 x steps] (src/shared/engine/round-figures.ts). */
const Figures = z.array(Float64).min(1).max(RoundFigures.length(MAX_LOCAL_STEPS)).readonly();
const StateSums = z
  .strictObject({ begin: Uint32, end: Uint32, figures: Figures })
  .refine(isRange, 'expected begin < end');
const rangesOf = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).max(MAX_RANGES).readonly();

/** The order that a message answers: a step by its number, an evaluation by its id. */
const Order = { kind: z.enum(['step', 'evaluation']), id: Uint32 };

/** What each sample is: inputs [maps][height][width], and one of so many classes, or so many outputs as float32. */
const Sample = z.strictObject({
  maps: Side,
  height: Side,
  width: Side,
  classes: z.int().min(1).max(MAX_CLASSES),
  inputs: z.enum(['uint8', 'float32']),
  targets: z.enum(['uint16', 'float32']),
});

// The wide type: the type of no fields at all would forbid `type` too.
const Empty: z.ZodType<object> = z.strictObject({});
const SMALL = 256;

export const nodeMessages = {
  hello: {
    tag: 1,
    headerBytes: 1 << 16,
    header: z.strictObject({
      /** The node's identity, which it keeps when it connects again. */
      node: z.uuid(),
      /** The host's name, for people. */
      name: Name,
      threads: Threads.min(1),
      /** What decides the bits, by name: the first digits of its digest (docs/determinism.md). */
      numerics: z
        .record(Named, ShortDigest)
        .refine((all) => Object.keys(all).length <= MAX_OPERATIONS, `expected at most ${MAX_OPERATIONS} operations`)
        .readonly(),
      selfTest: Digest,
    }),
  },
  needData: { tag: 2, headerBytes: SMALL, header: z.strictObject({ part: Uint32 }) },
  ready: { tag: 3, headerBytes: SMALL, header: Empty },
  partials: {
    tag: 4,
    headerBytes: 4096,
    header: z.strictObject({
      step: Uint32,
      seconds: Seconds,
      /** Parts of `seconds`, of the slowest thread. */
      sampleSeconds: Seconds,
      reduceSeconds: Seconds,
      ranges: rangesOf(Sums),
    }),
    /** The gradient sum of each range in order, float32 [parameters] each. */
    maxBody: ({ parameters }: Limits) => 4 * MAX_RANGES * parameters,
  },
  states: {
    tag: 9,
    headerBytes: 1 << 18,
    header: z.strictObject({
      /** Updates done before the round. */
      step: Uint32,
      steps: z.int().min(1).max(MAX_LOCAL_STEPS),
      seconds: Seconds,
      /** Parts of `seconds`. */
      sampleSeconds: Seconds,
      reduceSeconds: Seconds,
      updateSeconds: Seconds,
      /** Of replicas. */
      ranges: z.array(StateSums).min(1).max(MAX_STATE_RANGES).readonly(),
    }),
    /** The sum of the replicas' states of each range in order: weights, moments, second moments, float32 [parameters] each. */
    maxBody: ({ parameters, vectors }: Limits) => 4 * MAX_STATE_RANGES * vectors * parameters,
  },
  evaluated: {
    tag: 5,
    headerBytes: 1 << 16,
    header: z.strictObject({
      id: Uint32,
      seconds: Seconds,
      chunks: Chunks,
      /** [chunks]: the loss sum of each. */
      losses: z.array(Float64).max(MAX_CHUNKS).readonly(),
      /** Whether the body has predictions: regression has none. */
      isPredicted: z.boolean(),
    }),
    /** The predicted class of each sample, uint16. */
    maxBody: ({ testSamples, validationSamples, chunkSize }: Limits) =>
      2 * Math.min(testSamples + validationSamples, MAX_CHUNKS * chunkSize),
  },
  failed: { tag: 6, headerBytes: 8192, header: z.strictObject({ ...Order, message: z.string().max(MAX_TEXT) }) },
  leaving: { tag: 7, headerBytes: SMALL, header: Empty },
  pong: {
    tag: 8,
    headerBytes: 1 << 14,
    header: z.strictObject({
      /** Resident memory of the node's process. */
      memoryBytes: Count,
      /** Processor time of the node's process since the hello, user and system, of all threads. */
      processorSeconds: Seconds,
      /** Mean since the last pong. */
      eventLoopLagSeconds: Seconds,
      workersReady: Threads,
      /** Threads that crashed since the hello. */
      workersLost: Uint32,
      /** [threads]: samples whose gradients each thread has computed since the hello. */
      workerSamples: z.array(Count).min(1).max(MAX_THREADS).readonly(),
      /** Orders that have come since the hello. */
      orders: Uint32,
    }),
  },
} as const satisfies Definitions;

export const coordinatorMessages = {
  welcome: {
    tag: 65,
    headerBytes: 1 << 17,
    header: z.strictObject({
      run: Name,
      /** The options of the run that decide what a node computes. */
      config: RunOptions,
      specBytes: z.int().min(1).max(MAX_SPEC_BYTES),
      /** Names of the layers that aren't trained. */
      freeze: z.array(Named).max(MAX_FROZEN).readonly(),
      dataset: Digest,
      /** Of the packed data set. */
      dataBytes: z
        .int()
        .min(1)
        .max(MAX_PARTS * PART_BYTES),
      samples: Uint32,
      testSamples: Uint32,
      /** Training samples that aren't trained on, but evaluated. */
      validationSamples: Uint32,
      sample: Sample,
      chunkSize: z.int().min(1).max(65_536),
      parameters: z.int().min(1).max(MAX_PARAMETERS),
      vectors: z.int().min(1).max(MAX_VECTORS),
      /** Between two heartbeats; SILENT_HEARTBEATS of them without a byte, and either side takes the other for dead. */
      heartbeatSeconds: z.number().gt(0).max(MAX_HEARTBEAT_SECONDS),
    }),
    /** The model's spec as JSON. */
    maxBody: () => MAX_SPEC_BYTES,
  },
  data: {
    tag: 66,
    headerBytes: SMALL,
    header: z
      .strictObject({ part: Uint32, of: z.int().min(1).max(MAX_PARTS) })
      .refine(({ part, of }) => part < of, 'expected part < of'),
    maxBody: () => PART_BYTES,
  },
  weights: {
    tag: 67,
    headerBytes: SMALL,
    header: z.strictObject({ version: Uint32 }),
    /** float32 [parameters] in flat order; if the job is cut into replicas, followed by the moments in the same way. */
    maxBody: ({ parameters, vectors }: Limits) => 4 * vectors * parameters,
  },
  work: {
    tag: 68,
    headerBytes: 4096,
    header: z.strictObject({ step: Uint32, version: Uint32, ranges: rangesOf(Range) }),
  },
  round: {
    tag: 73,
    headerBytes: SMALL,
    header: z.strictObject({
      step: Uint32,
      steps: z.int().min(1).max(MAX_LOCAL_STEPS),
      version: Uint32,
      /** Of replicas. */
      ranges: z.array(Range).min(1).max(MAX_STATE_RANGES).readonly(),
    }),
  },
  evaluate: {
    tag: 69,
    headerBytes: SMALL,
    header: z.strictObject({ id: Uint32, version: Uint32, chunks: Chunks }),
  },
  ping: { tag: 71, headerBytes: SMALL, header: Empty },
  /** The name of the close code that follows. */
  end: { tag: 72, headerBytes: SMALL, header: z.strictObject({ reason: z.enum(CLOSE_CODES) }) },
} as const satisfies Definitions;

type Message<All extends Definitions> = {
  [Type in keyof All & string]: { readonly type: Type } & Readonly<z.infer<All[Type]['header']>> &
    (All[Type] extends { readonly maxBody: unknown } ? { readonly body: Uint8Array } : unknown);
}[keyof All & string];

export type FromNode = Message<typeof nodeMessages>;
export type FromCoordinator = Message<typeof coordinatorMessages>;
export type NodeMessage<Type extends FromNode['type']> = Extract<FromNode, { readonly type: Type }>;
export type CoordinatorMessage<Type extends FromCoordinator['type']> = Extract<
  FromCoordinator,
  { readonly type: Type }
>;
