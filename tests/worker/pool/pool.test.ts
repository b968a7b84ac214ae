import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { PartialGradient } from '#src/shared/engine/executor.js';
import { addPartials } from '#src/shared/engine/partials.js';
import type { ShardRange } from '#src/shared/engine/tree.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { NotFiniteError, WorkerError } from '#src/shared/util/errors.js';
import type { Fault } from '#src/worker/pool/faults.js';
import { LocalPool } from '#src/worker/pool/pool.js';
import { placeInMemory } from '#src/worker/pool/sample-set.js';
import { lenet5 } from '../../support/models.ts';
import type { Session } from '../../support/session.ts';
import { dataset, FOREVER_MS, HANGS, withSession } from './with-session.ts';

/** A WebAssembly module that imports a memory named `absent`, which nobody gives it. */
const UNLINKABLE = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], // magic, version
  ...[2, 15, 1], // import section: bytes, entries
  ...[3, 0x65, 0x6e, 0x76], // "env"
  ...[6, 0x61, 0x62, 0x73, 0x65, 0x6e, 0x74], // "absent"
  ...[2, 0, 1], // a memory, no maximum, one page
);

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
function sha256({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): string {
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
    const samples = placeInMemory(memory, dataset.test);
    const causes: string[] = [];
    const layout = layoutOf(lenet5('softmax'));
    const weights = { values: memory.parameters(layout.parameters), readers: 0 };
    const pool = new LocalPool({
      workers: 1,
      memory,
      layout,
      train: samples,
      test: samples,
      batch: 16,
      shardSize: 8,
      kernel: { module: new WebAssembly.Module(UNLINKABLE), target: 'wasm' },
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
