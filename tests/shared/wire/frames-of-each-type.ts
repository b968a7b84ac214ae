import fc from 'fast-check';
import { CLOSE_CODES } from '#src/shared/wire/close-codes.js';
import type { FromCoordinator, FromNode, Limits } from '#src/shared/wire/messages.js';
import {
  MAX_CHUNKS,
  MAX_NAME,
  MAX_PARTS,
  MAX_RANGES,
  MAX_STATE_RANGES,
  MAX_TEXT,
  PART_BYTES,
} from '#src/shared/wire/messages.js';

/** 3 parameters in 2 vectors; 7 chunks of 4 samples, the last of 2. */
export const limits: Limits = { parameters: 3, vectors: 2, testSamples: 26, validationSamples: 5, chunkSize: 4 };

const uint32 = fc.nat(2 ** 32 - 1);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/);
const shortDigest = fc.stringMatching(/^[0-9a-f]{16}$/);
const named = fc.string({ minLength: 1, maxLength: 64 }).filter((key) => key !== '__proto__');
const name = fc.string({ minLength: 1, maxLength: MAX_NAME });
const text = fc.string({ unit: 'grapheme', maxLength: MAX_TEXT / 20 });
const seconds = fc.double({ min: 0, max: 1e9, noNaN: true });
// MessagePack's integers have no negative zero.
const loss = fc.double().filter((value) => !Object.is(value, -0));
const range = fc
  .tuple(uint32, uint32)
  .filter(([a, b]) => a !== b)
  .map(([a, b]) => ({ begin: Math.min(a, b), end: Math.max(a, b) }));
const few = fc
  .tuple(fc.nat(2 ** 32 - 1 - MAX_CHUNKS), fc.integer({ min: 1, max: MAX_CHUNKS }))
  .map(([begin, count]) => ({ begin, end: begin + count }));
const kind = fc.constantFrom('step' as const, 'evaluation' as const);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const sums = fc.record({ range, lossSum: loss, correct: uint32 }).map(({ range, ...rest }) => ({ ...range, ...rest }));

const partials = fc.array(sums, { minLength: 1, maxLength: MAX_RANGES }).chain((ranges) =>
  fc.record({
    type: fc.constant('partials' as const),
    step: uint32,
    seconds,
    sampleSeconds: seconds,
    reduceSeconds: seconds,
    ranges: fc.constant(ranges),
    body: bytes(4 * limits.parameters * ranges.length),
  }),
);

const states = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.array(range, { minLength: 1, maxLength: MAX_STATE_RANGES }))
  .chain(([steps, ranges]) => {
    const count = 2 + 3 * steps;
    const figures = fc.array(loss, { minLength: count, maxLength: count });
    return fc.record({
      type: fc.constant('states' as const),
      step: uint32,
      steps: fc.constant(steps),
      seconds,
      sampleSeconds: seconds,
      reduceSeconds: seconds,
      updateSeconds: seconds,
      ranges: fc.tuple(...ranges.map((each) => figures.map((words) => ({ ...each, figures: words })))),
      body: bytes(4 * limits.vectors * limits.parameters * ranges.length),
    });
  });

/** Seven chunks of the test set, and two of the validation samples. */
const samplesBefore = (chunk: number): number => [0, 4, 8, 12, 16, 20, 24, 26, 30, 31][chunk] as number;

const evaluated = fc.tuple(fc.nat(8), fc.nat(8)).chain(([a, b]) => {
  const chunks = { begin: Math.min(a, b), end: Math.max(a, b) + 1 };
  const count = chunks.end - chunks.begin;
  return fc.record({
    type: fc.constant('evaluated' as const),
    id: uint32,
    seconds,
    chunks: fc.constant(chunks),
    losses: fc.array(loss, { minLength: count, maxLength: count }),
    isPredicted: fc.constant(true),
    body: bytes(2 * (samplesBefore(chunks.end) - samplesBefore(chunks.begin))),
  });
});

const side = fc.integer({ min: 1, max: 65_535 });

const ofType = <Type extends string, Fields>(
  type: Type,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
) => fc.record(fields as never).map((made) => ({ type, ...(made as Fields) }));

/** Any message of each type that a node may send. */
export const fromNode: { readonly [Type in FromNode['type']]: fc.Arbitrary<Extract<FromNode, { type: Type }>> } = {
  hello: ofType('hello', {
    node: fc.uuid(),
    name,
    threads: fc.integer({ min: 1, max: 1024 }),
    numerics: fc.dictionary(named, shortDigest, { maxKeys: 100, noNullPrototype: true }),
    selfTest: digest,
  }),
  needData: ofType('needData', { part: uint32 }),
  ready: fc.constant({ type: 'ready' }),
  partials,
  states,
  evaluated,
  failed: ofType('failed', { kind, id: uint32, message: text }),
  leaving: fc.constant({ type: 'leaving' }),
  pong: ofType('pong', {
    memoryBytes: fc.maxSafeNat(),
    processorSeconds: seconds,
    eventLoopLagSeconds: seconds,
    workersReady: fc.nat(1024),
    workersLost: uint32,
    workerSamples: fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 1024 }),
    orders: uint32,
  }),
};

const scalar = fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null));
const config = fc.dictionary(
  fc.string({ maxLength: 64 }).filter((key) => key !== '__proto__'),
  scalar.filter((value) => !Object.is(value, -0)),
  { maxKeys: 64, noNullPrototype: true },
);

/** Any message of each type that a coordinator may send; of `data` the last part, which is short. */
export const fromCoordinator: {
  readonly [Type in FromCoordinator['type']]: fc.Arbitrary<Extract<FromCoordinator, { type: Type }>>;
} = {
  welcome: ofType('welcome', {
    run: name,
    config,
    freeze: fc.array(named, { maxLength: 1000 }),
    dataset: digest,
    dataBytes: fc.integer({ min: 1, max: MAX_PARTS * PART_BYTES }),
    samples: uint32,
    testSamples: uint32,
    validationSamples: uint32,
    sample: fc.record(
      {
        maps: side,
        height: side,
        width: side,
        classes: fc.integer({ min: 1, max: 65_536 }),
        inputs: fc.constantFrom('uint8' as const, 'float32' as const),
        targets: fc.constantFrom('uint16' as const, 'float32' as const),
      },
      { noNullPrototype: true },
    ),
    chunkSize: fc.integer({ min: 1, max: 65_536 }),
    parameters: fc.integer({ min: 1, max: 2 ** 25 }),
    vectors: fc.integer({ min: 1, max: 3 }),
    heartbeatSeconds: fc.double({ min: 1e-3, max: 60, noNaN: true }),
    specBytes: fc.constant(50),
    body: bytes(50),
  }),
  data: fc
    .tuple(fc.integer({ min: 1, max: MAX_PARTS }), fc.uint8Array({ minLength: 1, maxLength: 100 }))
    .map(([of, body]) => ({ type: 'data', part: of - 1, of, body })),
  weights: ofType('weights', { version: uint32, body: bytes(4 * limits.vectors * limits.parameters) }),
  work: ofType('work', {
    step: uint32,
    version: uint32,
    ranges: fc.array(range, { minLength: 1, maxLength: MAX_RANGES }),
  }),
  round: ofType('round', {
    step: uint32,
    steps: fc.integer({ min: 1, max: 4096 }),
    version: uint32,
    ranges: fc.array(range, { minLength: 1, maxLength: MAX_STATE_RANGES }),
  }),
  evaluate: ofType('evaluate', { id: uint32, version: uint32, chunks: few }),
  ping: fc.constant({ type: 'ping' }),
  end: ofType('end', { reason: fc.constantFrom(...CLOSE_CODES) }),
};

export const fullPart: FromCoordinator = { type: 'data', part: 0, of: 2, body: new Uint8Array(PART_BYTES).fill(7) };
