// What a cluster does with results that are wrong: not finite, or not the bits that another member found.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Assignment } from '#src/coordinator/cluster/member.js';
import type { PartialGradient, PartialState } from '#src/shared/engine/executor.js';
import { NotFiniteError } from '#src/shared/util/errors.js';
import { DirectMember, ROUNDS, trained, undisturbed } from '../../support/cluster.ts';

describe("a member's result that isn't finite", () => {
  it('is computed again, and the member expelled, where it is finite in the coordinator', async () => {
    for (const spoil of [spoilGradient, spoilLoss]) {
      const [bad, good] = [new DirectMember('bad', 1), new DirectMember('good', 1)];
      let isSpoilt = false;
      bad.tamper = ({ t }, partials) => {
        if (t < 30 || isSpoilt) return;
        isSpoilt = true;
        spoil(partials[0] as PartialGradient);
      };
      const { outcome } = await trained({ members: [bad, good] });
      assert.deepEqual(outcome, undisturbed);
      assert.deepEqual([bad.expelled, good.expelled], [['notFinite'], []]);
    }
  });

  it('ends the run, and nobody is expelled, where it is not finite in the coordinator either', async () => {
    const member = new DirectMember('a', 1);
    await assert.rejects(
      trained({ members: [member], flags: { optimizer: 'sgd', learningRate: 1e6, warmup: 0 } }),
      NotFiniteError,
    );
    assert.deepEqual(member.expelled, []);
    assert.ok(member.assignments.length > 0);
  });
});

describe("members' results whose sum isn't finite, though each of them is", () => {
  it('are computed again, and the one that is wrong is expelled', async () => {
    // Three, so that the parts of some are two ranges of the tree.
    const members = [new DirectMember('a', 1), new DirectMember('b', 1), new DirectMember('c', 1)];
    let bad: DirectMember | undefined;
    for (const member of members) {
      member.tamper = ({ t }, partials) => {
        // One of them alone doesn't overflow; those that come too late are passed over.
        if (t < 30 || partials.length < 2 || member.expelled.length > 0) return;
        bad ??= member;
        if (member !== bad) return;
        for (const { gradient } of partials as readonly PartialGradient[]) gradient.fill(3.4e38);
      };
    }
    const { outcome } = await trained({ members });
    assert.deepEqual(outcome, undisturbed);
    const expelled = members.map((member) => [member === bad, member.expelled[0]]);
    assert.deepEqual(expelled.toSorted(), [
      [false, undefined],
      [false, undefined],
      [true, 'badResult'],
    ]);
  });
});

function spoilGradient({ gradient }: PartialGradient): void {
  gradient[7] = Number.NaN;
}

function spoilLoss(partial: PartialGradient): void {
  Object.assign(partial, { lossSum: Number.POSITIVE_INFINITY });
}

const ONE_STEP = { iterations: 1, warmup: 0, evaluateEvery: 0 };
/** One step, or one round of replicas, and what a member makes up. */
const JOBS = {
  'shards of a step': {
    flags: ONE_STEP,
    change: ({ gradient }: PartialGradient) => change(gradient),
  },
  'replicas of a round': {
    flags: { ...ONE_STEP, ...ROUNDS, iterations: ROUNDS.syncEvery },
    change: ({ state }: PartialState) => change(state.m),
  },
} as const;

function change(vector: Float32Array): void {
  vector[11] = (vector[11] as number) + 1e-3;
}

for (const [what, job] of Object.entries(JOBS))
  describe(`${what} that were computed twice`, () => {
    const { flags } = job;
    const expected = trained({ members: [], flags });

    it('are compared: members that agree stay', async () => {
      const { members, result, counts } = await computedTwice(flags, () => {});
      assert.deepEqual(result, (await expected).outcome);
      assert.ok(counts.match > 0);
      assert.equal(counts.mismatch, 0);
      assert.deepEqual(
        members.flatMap(({ expelled }) => expelled),
        [],
      );
    });

    it('are computed a third time where they differ: the one that is wrong is expelled, and its bits are not used', async () => {
      for (const wrong of ['late', 'helping'] as const) {
        const { members, result, counts } = await computedTwice(flags, (partial, by) => {
          if (by === wrong) job.change(partial as PartialGradient & PartialState);
        });
        assert.deepEqual(result, (await expected).outcome);
        assert.equal(counts.mismatch, 1);
        const expelled = members.filter((member) => member.expelled.length > 0);
        assert.deepEqual(
          expelled.map(({ name, expelled: reasons }) => [name, reasons]),
          [[wrong, ['badResult']]],
        );
      }
    });
  });

/**
 * One step or round of three members: `late` and `waiting` keep their assignments for so long that `helping`, which is done, is given those of
 * `late`. Then `late` answers, and `helping` after it, while `waiting` keeps it open.
 * @param tamper changes the first partial of those two answers
 */
async function computedTwice(
  flags: Readonly<Record<string, unknown>>,
  tamper: (partial: PartialGradient | PartialState, by: 'late' | 'helping') => void,
) {
  const [late, helping, waiting] = ['late', 'helping', 'waiting'].map((name) => new DirectMember(name, 1, flags)) as [
    DirectMember,
    DirectMember,
    DirectMember,
  ];
  const [isHelped, isLate, isCompared] = [event(), event(), event()];
  const isSecond = ({ assignments }: DirectMember, { kind }: Assignment): boolean =>
    kind !== 'evaluate' && assignments.length === 2;
  late.hook = async (assignment) => {
    if (assignment.kind !== 'evaluate') await (isSecond(late, assignment) ? isCompared : isHelped).happened;
  };
  late.tamper = (assignment, [first]) => {
    if (isSecond(late, assignment)) return;
    tamper(first as PartialGradient | PartialState, 'late');
    // What `helping` computes before it answers takes longer than this answer.
    isLate.happen();
  };
  helping.hook = async (assignment) => {
    if (!isSecond(helping, assignment)) return;
    assert.deepEqual(assignment.ranges, late.assignments[0]?.ranges);
    isHelped.happen();
    await isLate.happened;
  };
  helping.tamper = (assignment, [first]) => {
    if (!isSecond(helping, assignment)) return;
    tamper(first as PartialGradient | PartialState, 'helping');
    isCompared.happen();
  };
  waiting.hook = ({ kind }) => (kind !== 'evaluate' ? isCompared.happened : undefined);
  const members = [late, helping, waiting];
  const { outcome, cluster } = await trained({ members, workers: 0, flags });
  return { members, result: outcome, counts: cluster.auditCounts };
}

function event(): { readonly happened: Promise<void>; readonly happen: () => void } {
  let happen = (): void => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  return { happened, happen: () => happen() };
}
