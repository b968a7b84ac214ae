import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { costsOf, SpeedEstimate } from '#src/shared/scheduler/speed.js';

function measured(...msPerUnit: readonly number[]): SpeedEstimate {
  const estimate = new SpeedEstimate();
  for (const ms of msPerUnit) estimate.measure(8, 8 * ms, 8 * ms + 3);
  return estimate;
}

function near(actual: number | undefined, expected: number): void {
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-9 * expected, `${actual}, not ${expected}`);
}

describe('a speed estimate', () => {
  it('is unknown until measured', () => {
    const estimate = new SpeedEstimate();
    assert.deepEqual([estimate.cost, estimate.expectedMs(8), estimate.measurements], [undefined, undefined, 0]);
  });

  it('is the mean of the first measurements', () => {
    const { cost } = measured(4, 2, 1);
    near(cost?.shard, 3 / (1 / 4 + 1 / 2 + 1));
    near(cost?.overhead, 3);
    near(measured(2).expectedMs(5), 13);
  });

  it('follows a lasting change, and hardly a disturbance', () => {
    const calm = Array.from({ length: 20 }, () => 1);
    const disturbed = measured(...calm, 10);
    const slower = measured(...calm, ...Array.from({ length: 60 }, () => 10));
    near(disturbed.cost?.shard, 1 / 0.91);
    assert.ok((slower.cost?.shard ?? 0) > 9);
  });

  it('is unknown again after it was forgotten', () => {
    const estimate = measured(4, 4, 4);
    estimate.forget();
    assert.equal(estimate.cost, undefined);
    estimate.measure(8, 8);
    assert.deepEqual(estimate.cost, { shard: 1, overhead: 0 });
  });

  it('forgets a long overhead soon', () => {
    const estimate = measured(1);
    estimate.measure(8, 8, 208);
    near(estimate.cost?.overhead, 3 + 0.1 * 197);
    estimate.measure(8, 8, 11);
    near(estimate.cost?.overhead, 3 + 0.6 * 0.1 * 197);
  });
});

describe('costs', () => {
  it('of those that were not measured often enough are the average of a thread', () => {
    const estimates = [
      { estimate: measured(2, 2), threads: 2 },
      { estimate: new SpeedEstimate(), threads: 1 },
      { estimate: measured(50), threads: 4 },
    ];
    const [first, second, third] = costsOf(estimates, 2);
    near(first?.shard, 2);
    near(second?.shard, 4);
    near(third?.shard, 1);
    near(third?.overhead, 3);
  });

  it('are equal if nothing is known', () => {
    const estimate = new SpeedEstimate();
    assert.deepEqual(costsOf([{ estimate, threads: 1 }], 1), [{ shard: 1, overhead: 0 }]);
  });
});
