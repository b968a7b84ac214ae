import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Attempt } from '#src/shared/scheduler/attempt.js';
import { ShardLedger } from '#src/shared/scheduler/ledger.js';
import { CLUSTER_POLICY, POOL_POLICY, UNMEASURED_LIMIT_MS } from '#src/shared/scheduler/policy.js';
import { SpeedEstimate } from '#src/shared/scheduler/speed.js';

const whole = [{ begin: 0, end: 8 }];

describe('an attempt', () => {
  it('holds its ranges until it is given up, once', () => {
    const ledger = new ShardLedger<string>(8, whole);
    const counts = { first: 0, retry: 0, duplicate: 0 };
    const slow = new Attempt({ ledger, ranges: whole, now: 0, counts });
    assert.deepEqual(ledger.missing(), []);
    slow.giveUp();
    const helping = new Attempt({ ledger, ranges: whole, now: 0, counts });
    slow.giveUp();
    slow.release();
    assert.deepEqual(ledger.missing(), [], 'the other one still has them');
    helping.release();
    assert.deepEqual(ledger.missing(), whole);
    assert.deepEqual(counts, { first: 8, retry: 0, duplicate: 8 });
  });

  it('holds nothing as a probe', () => {
    const ledger = new ShardLedger<string>(8, whole);
    const counts = { first: 0, retry: 0, duplicate: 0 };
    const probe = new Attempt({ ledger, ranges: whole, now: 0, counts, isProbe: true });
    assert.equal(probe.isGivenUp, true);
    assert.deepEqual(ledger.missing(), whole);
    assert.deepEqual(counts, { first: 0, retry: 0, duplicate: 8 });
  });

  it('is slow at a multiple of its expected time, and not before the minimum', () => {
    const attempt = new Attempt({ ledger: new ShardLedger<string>(8, whole), ranges: whole, now: 0 });
    const speed = new SpeedEstimate();
    assert.equal(attempt.limitMs(speed, POOL_POLICY), UNMEASURED_LIMIT_MS);
    assert.equal(attempt.limitMs(undefined, CLUSTER_POLICY), UNMEASURED_LIMIT_MS);
    speed.measure(1, 1);
    assert.equal(attempt.limitMs(speed, POOL_POLICY), POOL_POLICY.slowMinimumMs);
    const slower = new SpeedEstimate();
    slower.measure(1, 1000);
    assert.equal(attempt.limitMs(slower, POOL_POLICY), 8000 * POOL_POLICY.slowFactor);
    assert.equal(attempt.limitMs(slower, CLUSTER_POLICY), 8000 * CLUSTER_POLICY.slowFactor);
  });
});
