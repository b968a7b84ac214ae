// Every worker that has work is slow at the same time, or the process itself was suspended.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it, type TestContext } from 'node:test';
import { EXPIRED, type Fault, type Phase, RELEASED, STALLED } from '#src/worker/pool/faults.js';
import { DEPTH } from '#src/worker/pool/mailbox.js';
import { madeDataset } from '../../support/made-images.ts';
import { poolWith, runOnce, Session } from '../../support/session.ts';

/** A test that is still going by then hangs. */
const HANGS = { timeout: 300_000 };
/** Milliseconds after which a stall ends by itself: only a failing test waits for it. */
const EXPIRES_MS = 15_000;
const AN_HOUR_MS = 3_600_000;

const dataset = madeDataset(600, 430);
const FLAGS = { batch: 112, shardSize: 8, iterations: 30, evaluateEvery: 0 };

/** All of the workers stall at step t until they are released together. */
class Stall {
  readonly faults: readonly Fault[];
  readonly #words: Int32Array;

  constructor(workers: number, t: number, phase: Phase = 'compute') {
    this.#words = new Int32Array(new SharedArrayBuffer(4 * workers));
    this.faults = Array.from({ length: workers }, (_, worker) => ({
      worker,
      t,
      phase,
      kind: 'stall',
      milliseconds: EXPIRES_MS,
      release: this.#words.subarray(worker, worker + 1),
    }));
  }

  /** Whether all of them stall now. */
  get isOn(): boolean {
    return this.#words.every((word) => word === STALLED);
  }

  /** Whether one of them stopped waiting to be released. */
  get hasExpired(): boolean {
    return this.#words.includes(EXPIRED);
  }

  release(): void {
    for (const worker of this.#words.keys()) {
      Atomics.store(this.#words, worker, RELEASED);
      Atomics.notify(this.#words, worker);
    }
  }
}

/** Calls `then` from a timer once `condition` holds. */
function when(t: TestContext, condition: () => boolean, then: () => void): void {
  const timer = setInterval(() => {
    if (!condition()) return;
    clearInterval(timer);
    then();
  }, 1);
  t.after(() => clearInterval(timer));
}

const expected = await runOnce({ flags: { ...FLAGS, workers: 1 }, dataset });

describe('workers that are all slow at once', () => {
  const cases = [1, 3].flatMap((workers) => [1, DEPTH].map((depth) => ({ workers, depth })));
  for (const { workers, depth } of cases) {
    it(`leave timers, signals and immediates to the event loop: ${workers} at ${depth} steps`, HANGS, async (t) => {
      const stall = new Stall(workers, 12);
      const session = new Session({ flags: { ...FLAGS, workers }, dataset, faults: stall.faults });
      t.after(() => session.close());
      await session.rally();
      const { pool } = session.engine;
      // A timer sees that all are given up and sends a signal; its handler releases them by an immediate.
      when(
        t,
        () => stall.isOn && pool.workersSlow === workers,
        () => process.kill(process.pid, 'SIGUSR2'),
      );
      const signalled = once(process, 'SIGUSR2').then(() => setImmediate(() => stall.release()));
      const outcome = await session.run(poolWith(session.engine, { depth }));
      assert.equal(stall.hasExpired, false, 'the event loop turned while all workers were slow');
      await signalled;
      assert.deepEqual(outcome, expected);
      assert.deepEqual(session.lost, []);
    });
  }
});

/** A clock that stands still but for what a test adds to it. */
class SteppedClock {
  milliseconds = 0;
  #looks = 0;

  readonly read = (): number => {
    this.#looks++;
    return this.milliseconds;
  };

  /** Calls `then` after somebody has looked at the clock so many times. */
  afterLooks(t: TestContext, count: number, then: () => void): void {
    const until = this.#looks + count;
    when(t, () => this.#looks >= until, then);
  }
}

describe('workers while the process is suspended', () => {
  for (const phase of ['compute', 'update'] as const) {
    it(`are not taken for hanging, nor for slow: ${phase}`, HANGS, async (t) => {
      const stall = new Stall(2, 12, phase);
      const clock = new SteppedClock();
      const session = new Session({
        flags: { ...FLAGS, workers: 2 },
        dataset,
        faults: stall.faults,
        clock: clock.read,
      });
      t.after(() => session.close());
      await session.rally();
      const { pool } = session.engine;
      let slow: number | undefined;
      // Once the pool has taken in what was finished before, the clock jumps; the pool sees that, more than once.
      when(
        t,
        () => stall.isOn,
        () => {
          clock.afterLooks(t, 5, () => {
            clock.milliseconds += AN_HOUR_MS;
            clock.afterLooks(t, 5, () => {
              slow = pool.workersSlow;
              stall.release();
            });
          });
        },
      );
      const outcome = await session.run();
      assert.equal(stall.hasExpired, false);
      assert.equal(slow, 0);
      assert.deepEqual(session.lost, []);
      assert.deepEqual(outcome, expected);
    });
  }
});

describe('a worker that was slow for a while', () => {
  it('is given work again', HANGS, async (t) => {
    // So slow and for so long that no shard falls to it by its speed.
    const faults = Array.from({ length: 40 }, (_, step): Fault => {
      return { worker: 1, t: step, kind: 'stall', milliseconds: 100 };
    });
    const session = new Session({ flags: { ...FLAGS, workers: 2 }, dataset, faults });
    t.after(() => session.close());
    const { pool, state } = session.engine;
    const gradient = (step: number) => pool.gradient({ t: step, weights: state.current, ranges: [session.root] });
    while (pool.ready < 2) await gradient(faults.length);
    for (const step of faults.keys()) await gradient(step);
    await session.rally();
    assert.deepEqual(session.lost, []);
  });
});
