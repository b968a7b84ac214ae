import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { PartialGradient } from '#src/shared/engine/executor.js';
import { addPartials } from '#src/shared/engine/partials.js';
import type { ShardRange } from '#src/shared/engine/tree.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { NotFiniteError, WorkerError } from '#src/shared/util/errors.js';
import type { Fault } from '#src/worker/pool/faults.js';
import { DEPTH } from '#src/worker/pool/mailbox.js';
import { LocalPool } from '#src/worker/pool/pool.js';
import { madeDataset } from '../../support/made-images.ts';
import { poolWith, Session } from '../../support/session.ts';

/** A test that is still going by then hangs. */
const HANGS = { timeout: 300_000 };
/** Longer than any test waits. */
const FOREVER_MS = 600_000;

/** A WebAssembly module that imports a memory named `absent`, which nobody gives it. */
const UNLINKABLE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
  ...[2, 15, 1], // import section: bytes, entries
  ...[3, 0x65, 0x6e, 0x76], // "env"
  ...[6, 0x61, 0x62, 0x73, 0x65, 0x6e, 0x74], // "absent"
  ...[2, 0, 1], // a memory, no maximum, one page
);

// Many chunks of test images, the last one smaller.
const dataset = madeDataset(600, 4050);
const FLAGS = { batch: 112, shardSize: 8, iterations: 100 };

/** Runs `body` with an engine, and closes it. */
async function withSession<T>(
  { workers, faults = [] }: { workers: number; faults?: readonly Fault[] },
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = new Session({ flags: { ...FLAGS, workers }, dataset, faults });
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}

function gradientOf(
  session: Session,
  t: number,
  ranges: readonly ShardRange[] = [session.root],
): Promise<readonly PartialGradient[]> {
  const { pool, state } = session.engine;
  return pool.gradient({ t, weights: state.current, ranges });
}

interface Sums {
  readonly gradientSha256: string;
  readonly lossSum: number;
  readonly correct: number;
}

function sumsAt(session: Session, parts: readonly PartialGradient[], range: ShardRange): Sums {
  const { gradient, lossSum, correct } = addPartials(session.engine.kernel, parts, range);
  return { gradientSha256: sha256(gradient), lossSum, correct };
}

async function sumsOf(session: Session, t: number, range = session.root): Promise<Sums> {
  return sumsAt(session, await gradientOf(session, t, [range]), range);
}

// Hashes, since a failed comparison prints both sides.
function sha256({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array): string {
  return createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex');
}

const throwing = (worker: number, t: number, times: number): Fault[] =>
  Array.from({ length: times }, () => ({ worker, t, kind: 'throw' }));

describe('work that fails', () => {
  it('is tried again, and has the bits of an undisturbed run', HANGS, async () => {
    const expected = await withSession({ workers: 1 }, (session) => sumsOf(session, 3));
    await withSession({ workers: 1, faults: throwing(0, 3, 4) }, async (session) => {
      assert.deepEqual(await sumsOf(session, 3), expected);
      assert.deepEqual(
        session.lost.map(({ worker, cause }) => `${worker} ${cause.message}`),
        new Array<string>(4).fill('0 injected fault at t = 3'),
      );
    });
  });

  it('ends the run after five tries, by an error that names step and shard', HANGS, async () => {
    await withSession({ workers: 1, faults: throwing(0, 3, 100) }, async (session) => {
      await assert.rejects(gradientOf(session, 3), (error) => {
        assert.ok(error instanceof WorkerError);
        assert.equal(error.step, 4);
        assert.match(error.message, /shard 0 of step 4 .*: injected fault at t = 3$/);
        assert.match((error.cause as Error).message, /injected fault/);
        return true;
      });
      assert.equal(session.lost.length, 5);
      await assert.rejects(gradientOf(session, 4), WorkerError, 'the pool stays broken');
    });
  });

  it('comes through where it is not finite, which ends the run', HANGS, async () => {
    await withSession({ workers: 2 }, async (session) => {
      session.engine.state.current.values.fill(Number.NaN);
      assert.ok(Number.isNaN((await sumsOf(session, 0)).lossSum));
      await assert.rejects(session.run(), NotFiniteError);
    });
  });

  it('ends the run where threads cannot start', HANGS, async () => {
    const memory = new SharedMemory();
    const samples = { images: memory.hold(dataset.test.images), labels: memory.hold(dataset.test.labels) };
    const causes: string[] = [];
    const layout = layoutOf(lenet5('softmax', 0));
    const weights = { values: memory.parameters(layout.parameters), readers: 0 };
    const pool = new LocalPool({
      workers: 1,
      memory,
      layout,
      train: samples,
      test: samples,
      batch: 16,
      shardSize: 8,
      kernel: new WebAssembly.Module(UNLINKABLE),
      sampler: { samples: dataset.test.count, batch: 16, seed: 1, augment: 'none' },
      onLost: (_, { message }) => causes.push(message),
    });
    try {
      await assert.rejects(pool.gradient({ t: 0, weights, ranges: [{ begin: 0, end: 2 }] }), (error) => {
        assert.ok(error instanceof WorkerError);
        assert.match(error.message, /^Worker 0 can't start: .*absent/);
        return true;
      });
      assert.equal(causes.length, 5);
    } finally {
      await pool.close();
    }
  });
});

/** What the metrics show of the pool agrees with itself. */
function assertCounted({ engine, config, lost: losses }: Session): void {
  const { shardCounts, attemptCounts, workerSamples, workersLost } = engine.pool;
  const { done, late, lost } = shardCounts;
  assert.equal(workersLost, losses.length);
  assert.equal(
    workerSamples.reduce((sum, samples) => sum + samples, 0),
    (done + late) * config.shardSize,
  );
  assert.ok(workerSamples.every((samples) => samples > 0));
  const { first, retry, duplicate } = attemptCounts;
  // Every shard of a step or rally is assigned first once, and done at least once.
  assert.ok(first >= 100 * (config.batch / config.shardSize) && first <= done);
  assert.ok(first + retry + duplicate >= done + late + lost);
  assert.ok(retry >= lost, 'whatever was lost was assigned again');
}

describe('a worker that dies or stalls in its slice of an update', () => {
  const update = { t: 20, phase: 'update' } as const;
  const cases: readonly (readonly [string, readonly Fault[]])[] = [
    ['one dies', [{ ...update, worker: 1, kind: 'exit' }]],
    ['all die', [0, 1, 2].map((worker) => ({ ...update, worker, kind: 'exit' }))],
    ['one stalls', [{ ...update, worker: 1, kind: 'stall', milliseconds: 600 }]],
    // What the dead one computed is still read by the one that stalls.
    [
      'one dies while another stalls',
      [
        { ...update, worker: 0, kind: 'exit' },
        { ...update, worker: 1, kind: 'stall', milliseconds: 600 },
      ],
    ],
    [
      'it hangs and is ended',
      [
        { ...update, worker: 2, kind: 'stall', milliseconds: FOREVER_MS },
        // Behind the steps that were open then: those are assigned anew bit by bit, without slices of a step.
        { ...update, worker: 0, t: 60, kind: 'throw' },
      ],
    ],
  ];

  const tests = cases.flatMap(([name, faults]) => [1, DEPTH].map((depth) => ({ name, faults, depth })));
  for (const { name, faults, depth } of tests) {
    it(`leaves the bits as they are, ${depth} under way: ${name}`, HANGS, async () => {
      const expected = await withSession({ workers: 1 }, (session) => session.run());
      await withSession({ workers: 3, faults }, async (session) => {
        await session.rally();
        assert.deepEqual(await session.run(poolWith(session.engine, { depth })), expected);
        const deadly = faults.filter(({ kind, milliseconds }) => kind !== 'stall' || milliseconds === FOREVER_MS);
        // On a busy machine a worker may have no part of the step at which it would die.
        assert.ok(session.lost.length <= deadly.length && session.lost.length >= Math.min(1, deadly.length));
        const { done, lost } = session.engine.pool.shardCounts;
        assert.ok(done >= 100 * session.root.end, 'every shard of every step was done, and those of the rallies');
        assert.equal(lost > 0, deadly.length > 0);
        assertCounted(session);
      });
    });
  }
});

describe('a gradient', () => {
  it('of several nodes, siblings among them, comes in partials of those nodes', HANGS, async () => {
    await withSession({ workers: 3 }, async (session) => {
      const ranges = [
        { begin: 0, end: 4 },
        { begin: 4, end: 8 },
        { begin: 12, end: 14 },
      ];
      const parts = await gradientOf(session, 1, ranges);
      const under = ({ begin, end }: ShardRange): PartialGradient[] =>
        parts.filter(({ range }) => range.begin >= begin && range.end <= end);
      assert.equal(ranges.flatMap(under).length, parts.length);
      const sums = ranges.map((range) => sumsAt(session, under(range), range));
      for (const [i, range] of ranges.entries()) assert.deepEqual(await sumsOf(session, 1, range), sums[i]);
    });
  });
});

describe('an evaluation', () => {
  interface Found {
    readonly lossSum: number;
    readonly predictionsSha256: string;
  }

  async function evaluate(workers: number, disturb?: (pool: LocalPool) => Promise<unknown>): Promise<Found> {
    return withSession({ workers }, async (session) => {
      const { pool, state } = session.engine;
      await session.rally();
      const evaluating = pool.evaluate(state.current);
      assert.equal(state.current.readers, pool.workers, 'every worker has a part of it');
      const [{ lossSum, predictions }] = await Promise.all([evaluating, disturb?.(pool)]);
      // Only now are all losses known.
      if (disturb) await session.rally();
      assert.equal(session.lost.length > 0, disturb !== undefined);
      assert.equal(predictions.length, dataset.test.count);
      assert.ok(new Set(predictions).size > 1);
      return { lossSum, predictionsSha256: sha256(predictions) };
    });
  }

  it('has the same bits for any number of workers, whoever dies meanwhile', HANGS, async () => {
    const expected = await evaluate(1);
    assert.deepEqual(await evaluate(4), expected);
    assert.deepEqual(await evaluate(3, (pool) => pool.kill(1)), expected);
    assert.deepEqual(await evaluate(2, (pool) => Promise.all([pool.kill(0), pool.kill(1)])), expected);
  });
});

describe('closing', () => {
  const faults: Fault[] = [{ worker: 0, t: 5, kind: 'stall', milliseconds: FOREVER_MS }];

  it('does not wait for a worker that stalls', HANGS, async () => {
    await withSession({ workers: 2, faults }, async (session) => {
      await session.rally();
      await gradientOf(session, 5);
      assert.equal(session.engine.state.current.readers, 1, 'the step is done and a worker still on it');
    });
  });

  it('ends a step that is open', HANGS, async () => {
    await withSession({ workers: 1, faults }, async (session) => {
      await session.rally();
      const open = assert.rejects(gradientOf(session, 5), /pool was closed/);
      await session.close();
      await open;
      await assert.rejects(gradientOf(session, 6), /pool was closed/);
    });
  });
});

describe('the shared memory', () => {
  it('grows no more once threads run', HANGS, async () => {
    await withSession({ workers: 1 }, async (session) => {
      assert.throws(() => session.memory.allocate(4), /before the threads start/);
      assert.equal((await gradientOf(session, 0)).length, 1);
    });
  });
});
