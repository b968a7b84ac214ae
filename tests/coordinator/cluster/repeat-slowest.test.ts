// Members that have nothing left to do take the steps of the slowest replica again.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AssignmentPlanner } from '#src/coordinator/cluster/assignment.js';
import type { Member } from '#src/coordinator/cluster/member.js';
import { MemberState } from '#src/coordinator/cluster/member-state.js';
import { Job } from '#src/shared/scheduler/job.js';
import { Watchdog } from '#src/shared/scheduler/watchdog.js';

const WEIGHTS = { values: new Float32Array(), readers: 0 };

/** A round of two replicas, and members that take so long for one. */
function round(...replicaMs: readonly number[]) {
  let now = 0;
  const watchdog = new Watchdog(
    () => {},
    () => now,
  );
  const members = replicaMs.map((milliseconds, i) => {
    const state = new MemberState({ name: String(i), threads: 1 } as Member, watchdog);
    for (let round = 0; round < 4; round++) state.speeds.replica.measure(1, milliseconds);
    return state;
  });
  const ranges = [{ begin: 0, end: 2 }];
  const job = new Job<unknown>({ kind: 'replica', t: 0, steps: 4, weights: WEIGHTS, units: 2, ranges });
  const give = (member: number, replica: number): void => {
    const options = { isProbe: false, counts: undefined };
    members[member]?.begin(job, [{ begin: replica, end: replica + 1 }], options);
  };
  /** The first member has finished the first replica. */
  const finish = (): void => {
    members[0]?.succeed();
    job.ledger.succeed({ begin: 0, end: 1 }, {});
  };
  // In steps, since a longer one would be taken for a suspended process.
  const pass = (milliseconds: number): void => {
    for (let left = milliseconds; left > 0; left -= 50) {
      now += Math.min(50, left);
      watchdog.now();
    }
  };
  const plan = () =>
    new AssignmentPlanner()
      .plan(job, members)
      .map(({ state, ...rest }) => ({ member: members.indexOf(state), ...rest }));
  return { give, pass, finish, plan };
}

const AGAIN = { ranges: [{ begin: 1, end: 2 }], isProbe: true };

describe('a member that is free when all replicas are assigned', () => {
  it('repeats one that it is expected to finish earlier', () => {
    const { give, pass, finish, plan } = round(100, 1000);
    give(0, 0);
    give(1, 1);
    pass(100);
    assert.deepEqual(plan(), []);
    finish();
    assert.deepEqual(plan(), [{ member: 0, ...AGAIN }]);
  });

  it('repeats none that is expected to be finished before', () => {
    const { give, pass, finish, plan } = round(100, 150);
    give(0, 0);
    give(1, 1);
    pass(100);
    finish();
    assert.deepEqual(plan(), []);
  });

  it('repeats none that another one repeats already', () => {
    const { give, pass, finish, plan } = round(100, 1000, 100);
    give(0, 0);
    give(1, 1);
    pass(100);
    finish();
    // Two are free, one of them gets it.
    assert.equal(plan().length, 1);
    assert.deepEqual(plan(), []);
  });

  it('repeats one that is overdue', () => {
    const { give, pass, finish, plan } = round(100, 120);
    give(0, 0);
    give(1, 1);
    pass(100);
    finish();
    assert.deepEqual(plan(), []);
    pass(100);
    assert.deepEqual(plan(), [{ member: 0, ...AGAIN }]);
  });
});
