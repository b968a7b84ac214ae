import { z } from 'zod';

/** Bytes of the data set that one message carries; the last one may have fewer. */
export const PART_BYTES = 1 << 20;
/** Tree nodes that one message names: any run of shards is covered by as many. */
export const MAX_RANGES = 32;
/** Chunks of the test set that one message names. */
export const MAX_CHUNKS = 4096;
/** Characters of a failure's message and of an option's value. */
export const MAX_TEXT = 1000;
/** Characters of the name of a run or node. */
export const MAX_NAME = 255;

const MAX_THREADS = 1024;
const MAX_OPTIONS = 64;

/** The sizes that bodies depend on; a node learns them from `welcome`. */
export interface Limits {
  readonly parameters: number;
  readonly testSamples: number;
  /** Test samples of a chunk. */
  readonly chunkSize: number;
}

/** Of a node that waits for its welcome: no tensor fits. */
export const BEFORE_WELCOME: Limits = { parameters: 0, testSamples: 0, chunkSize: 1 };

/** How a type of message lies on the wire (docs/protocol.md). */
interface Definition {
  /** The first byte of its frame; never changes its meaning. */
  readonly tag: number;
  /** Most bytes of its header, looked at before anything is decoded. */
  readonly headerBytes: number;
  readonly header: z.ZodType<object>;
  /** Most bytes of its body; absent: it has none. */
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
const Digest = z.string().regex(/^[0-9a-f]{64}$/);
const Name = z.string().min(1).max(MAX_NAME);
const Seconds = z.number().min(0).max(1e9);
// Unlike z.number() also NaN and the infinities: the receiver decides what such a loss means.
const Float64 = z.custom<number>((value) => typeof value === 'number', 'expected a number');
const Scalar = z.union([z.string().max(MAX_TEXT), z.number(), z.boolean(), z.null()]);

const isRange = ({ begin, end }: { readonly begin: number; readonly end: number }): boolean => begin < end;
const Range = z.strictObject({ begin: Uint32, end: Uint32 }).refine(isRange, 'expected begin < end');
const Chunks = Range.refine(({ begin, end }) => end - begin <= MAX_CHUNKS, `expected at most ${MAX_CHUNKS} chunks`);
const Sums = z
  .strictObject({ begin: Uint32, end: Uint32, lossSum: Float64, correct: Uint32 })
  .refine(isRange, 'expected begin < end');
const rangesOf = <Item extends z.ZodType>(item: Item) => z.array(item).min(1).max(MAX_RANGES).readonly();

/** Which order a message is about: a step by its number, an evaluation by its id. */
const Order = { kind: z.enum(['step', 'evaluation']), id: Uint32 };

// Of the wide type: that of no fields at all would forbid `type` too.
const Empty: z.ZodType<object> = z.strictObject({});
const Nonce = z.strictObject({ nonce: Uint32 });
const SMALL = 256;

export const nodeMessages = {
  hello: {
    tag: 1,
    headerBytes: 4096,
    header: z.strictObject({
      /** Its identity, kept over reconnections. */
      node: z.uuid(),
      /** For people: its host's. */
      name: Name,
      pid: Uint32,
      threads: Threads.min(1),
      numerics: Digest,
      selfTest: Digest,
      /** Measured, of all threads together. */
      samplesPerSecond: z.number().gt(0).max(1e12),
    }),
  },
  needData: { tag: 2, headerBytes: SMALL, header: Empty },
  ready: { tag: 3, headerBytes: SMALL, header: Empty },
  partials: {
    tag: 4,
    headerBytes: 4096,
    header: z.strictObject({
      step: Uint32,
      seconds: Seconds,
      /** Parts of them: of its slowest thread. */
      sampleSeconds: Seconds,
      reduceSeconds: Seconds,
      ranges: rangesOf(Sums),
    }),
    /** The gradient sum of each node in order, float32 [parameters] each. */
    maxBody: ({ parameters }: Limits) => 4 * MAX_RANGES * parameters,
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
    }),
    /** The class of each sample, a byte each. */
    maxBody: ({ testSamples, chunkSize }: Limits) => Math.min(testSamples, MAX_CHUNKS * chunkSize),
  },
  failed: { tag: 6, headerBytes: 8192, header: z.strictObject({ ...Order, message: z.string().max(MAX_TEXT) }) },
  leaving: { tag: 7, headerBytes: SMALL, header: Empty },
  pong: {
    tag: 8,
    headerBytes: 1 << 14,
    header: z.strictObject({
      nonce: Uint32,
      /** Resident, of its process. */
      memoryBytes: Count,
      /** Mean since the last pong. */
      eventLoopLagSeconds: Seconds,
      workersReady: Threads,
      /** Since the hello, as the next. */
      workersLost: Uint32,
      /** [threads]: samples that each computed gradients of. */
      workerSamples: z.array(Count).min(1).max(MAX_THREADS).readonly(),
    }),
  },
} as const satisfies Definitions;

export const coordinatorMessages = {
  welcome: {
    tag: 65,
    headerBytes: 1 << 16,
    header: z.strictObject({
      run: Name,
      /** The options that decide what a node computes. */
      config: z
        .record(z.string().max(64), Scalar)
        .refine((config) => Object.keys(config).length <= MAX_OPTIONS, `expected at most ${MAX_OPTIONS} options`)
        .readonly(),
      dataset: Digest,
      samples: Uint32,
      testSamples: Uint32,
      chunkSize: z.int().min(1).max(65_536),
      parameters: z
        .int()
        .min(1)
        .max(2 ** 24),
      heartbeatSeconds: z.number().gt(0).max(3600),
    }),
  },
  data: {
    tag: 66,
    headerBytes: SMALL,
    header: z
      .strictObject({ part: Uint32, of: z.int().min(1).max(4096) })
      .refine(({ part, of }) => part < of, 'expected part < of'),
    maxBody: () => PART_BYTES,
  },
  weights: {
    tag: 67,
    headerBytes: SMALL,
    header: z.strictObject({ version: Uint32 }),
    /** float32 [parameters] in flat order. */
    maxBody: ({ parameters }: Limits) => 4 * parameters,
  },
  work: {
    tag: 68,
    headerBytes: 4096,
    header: z.strictObject({ step: Uint32, version: Uint32, ranges: rangesOf(Range) }),
  },
  evaluate: {
    tag: 69,
    headerBytes: SMALL,
    header: z.strictObject({ id: Uint32, version: Uint32, chunks: Chunks }),
  },
  ping: { tag: 71, headerBytes: SMALL, header: Nonce },
  end: { tag: 72, headerBytes: SMALL, header: z.strictObject({ reason: z.enum(['runOver', 'stopping']) }) },
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
