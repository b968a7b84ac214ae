// Members of a cluster take the local steps of replicas; they come, go, fail and hang: the bits stay.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PartialState } from '#src/shared/engine/executor.js';
import { DirectMember, ROUNDS, STEPS, trained, undisturbedRounds } from '../../support/cluster.ts';

const member = (name: string, threads = 1): DirectMember => new DirectMember(name, threads, ROUNDS);
const ROUND_COUNT = Math.ceil(STEPS / ROUNDS.syncEvery);

describe('a cluster that trains replicas has the bits of one worker', { timeout: 300_000 }, () => {
  it('with the local threads alone', async () => {
    for (const workers of [1, 3]) {
      assert.deepEqual((await trained({ members: [], workers, flags: ROUNDS })).outcome, undisturbedRounds);
    }
  });

  it('with members alone, each of which sends at most two sums a round', async () => {
    const members = [member('a'), member('b', 2)];
    const { outcome } = await trained({ members, workers: 0, flags: ROUNDS });
    assert.deepEqual(outcome, undisturbedRounds);
    for (const { name, assignments } of members) {
      const rounds = assignments.filter(({ kind }) => kind === 'replica');
      assert.ok(rounds.length > ROUND_COUNT / 4, `${name} took part in ${rounds.length} rounds`);
      assert.ok(rounds.every(({ ranges }) => ranges.length <= 2));
    }
  });

  it('where members join and leave, fail and come again', async () => {
    const members = [member('a'), member('b'), member('c')];
    const [a, b, c] = members as [DirectMember, DirectMember, DirectMember];
    let failures = 0;
    a.hook = ({ t, kind }) => {
      if (kind !== 'replica' || t % (2 * ROUNDS.syncEvery) !== 0) return;
      failures++;
      throw new Error('injected');
    };
    const { outcome } = await trained({
      members: [a, b],
      flags: ROUNDS,
      onStep: (step, cluster) => {
        if (step === 24) cluster.join(c);
        if (step === 48) cluster.leave(b);
        if (step === 72) cluster.join(b);
        if (step === 96) for (const each of members) cluster.leave(each);
      },
    });
    await c.close();
    assert.deepEqual(outcome, undisturbedRounds);
    assert.ok(failures > 0 && c.assignments.length > 0);
  });

  it('where a member hangs: others take its steps again, and what it answers later changes nothing', async () => {
    const slow = member('slow');
    let release = (): void => {};
    slow.hook = ({ t, kind }) => {
      if (kind !== 'replica' || t !== 5 * ROUNDS.syncEvery) return;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    const { outcome, cluster } = await trained({
      members: [slow],
      flags: ROUNDS,
      onStep: (step) => {
        if (step === 60) release();
      },
    });
    assert.deepEqual(outcome, undisturbedRounds);
    assert.ok((cluster.shardCounts.get('slow')?.late ?? 0) > 0);
  });

  for (const [what, spoil] of [
    ['a loss', ({ figures }: PartialState) => figures.set(2, { lossSum: Number.NaN, correct: 0, gradientNorm: 1 }, 8)],
    ['weights', ({ state }: PartialState) => state.values.fill(Number.NaN)],
    ['a moment', ({ state }: PartialState) => state.m.set([Number.POSITIVE_INFINITY], 5)],
  ] as const) {
    it(`where a member sends ${what} not finite: it is computed again, and the member expelled`, async () => {
      const [honest, liar] = [member('honest'), member('liar')];
      // Until it is found out: what comes too late is of no use, and nobody looks at it.
      liar.tamper = ({ t, kind }, [partial]) => {
        if (kind === 'replica' && t >= 30 && liar.expelled.length === 0) spoil(partial as PartialState);
      };
      const { outcome } = await trained({ members: [honest, liar], workers: 0, flags: ROUNDS });
      assert.deepEqual(outcome, undisturbedRounds);
      assert.deepEqual(honest.expelled, []);
      // A bad result where the other one had the same replicas too: the two were compared.
      assert.match(liar.expelled.join(), /^(notFinite|badResult)/);
    });
  }
});
