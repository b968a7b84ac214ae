import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { StepClock } from '#src/coordinator/train/step-clock.js';
import { train } from '#src/coordinator/train/train.js';
import { madeDataset } from '../../support/made-images.ts';
import { Session } from '../../support/session.ts';

/** A clock that returns these times in turn. */
function clockOf(times: readonly number[]): () => number {
  let calls = 0;
  return () => times[calls++] ?? assert.fail('the clock was asked too often');
}

describe('the timestamps of steps', () => {
  const cases: readonly (readonly [string, readonly number[], number | undefined, readonly number[]])[] = [
    ['are whole milliseconds', [5000.9, 5002.2], undefined, [5000, 5002]],
    ['rise if steps are faster than the clock', [5000, 5000, 5000.4, 5003], undefined, [5000, 5001, 5002, 5003]],
    [
      'continue if the clock is set back, until it is past them',
      [9000, 100, 9001, 9500],
      undefined,
      [9000, 9001, 9002, 9500],
    ],
    ['follow a clock that is set ahead', [100, 9000, 9001], undefined, [100, 9000, 9001]],
    ['rise past those of an earlier attempt', [100, 200, 9002], 9000, [9001, 9002, 9003]],
  ];
  for (const [name, times, last, expected] of cases) {
    it(name, () => {
      const clock = new StepClock(clockOf(times), last);
      assert.deepEqual(
        times.map(() => clock.next()),
        expected,
      );
    });
  }

  it('are at most a minute ahead of time, and then rise by as much as time passes', () => {
    let ms = 1_000_000;
    const clock = new StepClock(
      () => ms,
      undefined,
      () => ms,
    );
    const given: number[] = [];
    // Steps of a quarter of a millisecond.
    for (let step = 0; step < 120_000; step++, ms += 0.25) given.push(clock.next());
    const ahead = given.map((at, step) => at - (1_000_000 + 0.25 * step));
    assert.ok(Math.max(...ahead) <= 60_001, `${Math.max(...ahead)} ms`);
    const rises = given.map((at, step) => at - (given[step - 1] ?? at - 1));
    assert.ok(rises.slice(0, 80_000).every((rise) => rise === 1));
    assert.ok(rises.every((rise) => rise === 0 || rise === 1));
    assert.equal(rises.slice(-4000).filter((rise) => rise === 1).length, 1000);
    // Slow steps have timestamps of their own again, and at last the clock's.
    for (let step = 1; step <= 100; step++) {
      ms += 2;
      assert.equal(clock.next(), (given.at(-1) as number) + step);
    }
    ms += 60_000;
    assert.equal(clock.next(), Math.floor(ms));
  });

  it('rise after a clock was set back by an hour, and after a resume by an earlier clock', () => {
    for (const last of [undefined, 9_000_000]) {
      let [ms, set] = [0, last === undefined ? 9_000_000 : 5_400_000];
      const clock = new StepClock(
        () => set + ms,
        last,
        () => ms,
      );
      let before = clock.next();
      set = 5_400_000;
      for (let step = 0; step < 10_000; step++) {
        ms += 0.5;
        const at = clock.next();
        assert.equal(at, before + 1);
        before = at;
      }
    }
  });

  it('come from the training clock, one a step, and a resumed run continues from the latest', async () => {
    const session = new Session({ flags: { batch: 32, workers: 1, iterations: 6 }, dataset: madeDataset(256, 210) });
    const { state, optimizer, answers, pool } = session.engine;
    const seen: (number | undefined)[] = [];
    const part = (until: number, at: number | undefined, now: () => number) =>
      train({
        config: session.config,
        executor: pool,
        state,
        optimizer,
        answers,
        until,
        now,
        from: { step: until - 3, at },
        chain: new HashChain(),
        checkpoint: () => {},
        observer: { onStep: ({ timings }) => seen.push(timings.at), onEvaluation: () => {} },
        stop: new AbortController().signal,
      });
    try {
      await part(3, undefined, clockOf([7000, 50, 7500]));
      await part(6, 8000, clockOf([7600, 9000, 8999]));
    } finally {
      await session.close();
    }
    assert.deepEqual(seen, [7000, 7001, 7500, 8001, 9000, 9001]);
  });
});
