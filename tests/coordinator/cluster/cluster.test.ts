// Members of a cluster come, go, fail and hang: the bits stay.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from '#src/coordinator/cluster/cluster.js';
import { MemberGoneError } from '#src/coordinator/cluster/member.js';
import { unitCount } from '#src/shared/engine/tree.js';
import type { AttemptReason } from '#src/shared/scheduler/ledger.js';
import { DirectMember, SHARDS, STEPS, trained, undisturbed } from '../../support/cluster.ts';

describe('a cluster has the bits of one worker', () => {
  it('with the local threads alone', async () => {
    assert.deepEqual((await trained({ members: [] })).outcome, undisturbed);
  });

  it('with members of one and two threads, each of which gets at most two ranges a step', async () => {
    const members = [new DirectMember('a', 1), new DirectMember('b', 2)];
    const { outcome, cluster } = await trained({ members });
    assert.deepEqual(outcome, undisturbed);
    for (const { name, assignments } of members) {
      assert.ok(assignments.length > STEPS / 4, `${name} took part in ${assignments.length} assignments`);
      assert.ok(assignments.every(({ kind, ranges }) => kind === 'evaluate' || ranges.length <= 2));
    }
    const counts = [...cluster.shardCounts.values()];
    // More where the machine was so busy that a member was taken for slow, and its assignment given to two.
    assert.ok(counts.reduce((sum, { done }) => sum + done, 0) >= STEPS * SHARDS);
    assert.equal(assigned(cluster, 'first'), STEPS * SHARDS);
  });

  it('where members join and leave, fail and come again', async () => {
    const members = [new DirectMember('a', 1), new DirectMember('b', 1), new DirectMember('c', 1)];
    const [a, b, c] = members as [DirectMember, DirectMember, DirectMember];
    a.hook = ({ t, kind }) => {
      if (kind === 'gradient' && t % 7 === 3) throw new Error('injected');
    };
    const { outcome, cluster } = await trained({
      members: [a, b],
      onStep: (step, cluster) => {
        if (step === 20) cluster.join(c);
        if (step === 40) cluster.leave(b);
        if (step === 60) cluster.join(b);
        if (step === 90) for (const member of members) cluster.leave(member);
      },
    });
    await c.close();
    assert.deepEqual(outcome, undisturbed);
    const { lost = 0 } = cluster.shardCounts.get('a') ?? {};
    assert.ok(lost > 0);
    // What is lost of a probe is computed by others anyway.
    const again = assigned(cluster, 'retry') + assigned(cluster, 'duplicate');
    assert.ok(again >= lost, 'what was lost was assigned twice');
    assert.equal(assigned(cluster, 'first'), STEPS * SHARDS);
    assert.ok(c.assignments.length > 10);
    assert.equal(
      c.assignments.some(({ t }) => t >= 95),
      false,
    );
  });

  it('where all members fail again and again at the same step', { timeout: 300_000 }, async () => {
    const members = [new DirectMember('a', 1), new DirectMember('b', 1)];
    let failures = 0;
    for (const member of members) {
      member.hook = ({ t, kind }) => {
        if (kind !== 'gradient' || t !== 30 || failures >= 20) return;
        failures++;
        throw new Error('injected');
      };
    }
    const { outcome } = await trained({ members, workers: 0 });
    assert.deepEqual(outcome, undisturbed);
    assert.equal(failures, 20);
  });

  it('where a member leaves and never answers what it was at', { timeout: 300_000 }, async () => {
    const member = new DirectMember('gone', 1);
    let leave = (): void => {};
    member.hook = ({ t }) => {
      if (t !== 30) return;
      leave();
      return new Promise(() => {});
    };
    const { outcome } = await trained({
      members: [member],
      onStep: (_, cluster) => {
        leave = () => cluster.leave(member);
      },
    });
    assert.deepEqual(outcome, undisturbed);
  });

  it('where a member is gone each time that it is asked: it is asked once', { timeout: 300_000 }, async () => {
    const member = new DirectMember('gone', 1);
    member.hook = () => {
      if (member.assignments.length < 100) throw new MemberGoneError('gone');
    };
    const { outcome } = await trained({ members: [member] });
    assert.deepEqual(outcome, undisturbed);
    assert.equal(member.assignments.length, 1);
  });

  it('where a member hangs: others get its shards, and what it answers later changes nothing', async () => {
    const member = new DirectMember('slow', 1);
    let release = (): void => {};
    member.hook = ({ t, kind }) => {
      if (kind !== 'gradient' || t !== 30) return;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    const { outcome, cluster } = await trained({
      members: [member],
      onStep: (step) => {
        if (step === 60) release();
      },
    });
    assert.deepEqual(outcome, undisturbed);
    const hung = member.assignments.find(({ t, kind }) => t === 30 && kind === 'gradient');
    assert.ok((cluster.shardCounts.get('slow')?.late ?? 0) >= unitCount(hung?.ranges ?? []));
    assert.ok(assigned(cluster, 'duplicate') >= unitCount(hung?.ranges ?? []));
    assert.equal(assigned(cluster, 'first'), STEPS * SHARDS);
  });
});

/** Shards that were assigned for a reason, to any member. */
function assigned({ shardCounts }: Cluster, reason: AttemptReason): number {
  return [...shardCounts.values()].reduce((sum, { assigned }) => sum + assigned[reason], 0);
}
