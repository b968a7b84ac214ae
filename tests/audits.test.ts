// What a cluster does with results that are wrong: not finite, or not the bits that another member found.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Piece } from '#src/coordinator/cluster/member.js';
import { NotFiniteError } from '#src/shared/errors.js';
import type { Partial } from '#src/shared/executor.js';
import { type TreeNode, unitCount } from '#src/shared/tree.js';
import { DirectMember, trained, undisturbed } from './training/cluster.ts';

describe("a member's result that isn't finite", () => {
  it('is computed again, and the member expelled, where it is finite in the coordinator', async () => {
    for (const spoil of [spoilGradient, spoilLoss]) {
      const [bad, good] = [new DirectMember('bad', 1), new DirectMember('good', 1)];
      let isSpoilt = false;
      bad.tamper = ({ t }, partials) => {
        if (t < 30 || isSpoilt) return;
        isSpoilt = true;
        spoil(partials[0] as Partial);
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
    assert.ok(member.pieces.length > 0);
  });
});

function spoilGradient({ gradient }: Partial): void {
  gradient[7] = Number.NaN;
}

function spoilLoss(partial: Partial): void {
  Object.assign(partial, { lossSum: Number.POSITIVE_INFINITY });
}

describe('a tree node that was computed twice', () => {
  it('is compared: members that agree stay', async () => {
    const { members, outcome, counts } = await withStraggler(() => {});
    assert.deepEqual(outcome, undisturbed);
    assert.ok(counts.match > 0);
    assert.equal(counts.mismatch, 0);
    assert.deepEqual(
      members.flatMap(({ expelled }) => expelled),
      [],
    );
  });

  it('is computed a third time where they differ: the one that is wrong is expelled, and its bits are not used', async () => {
    for (const wrong of ['straggler', 'other'] as const) {
      const { members, straggler, outcome, counts } = await withStraggler((partial, by) => {
        if (by === wrong) partial.gradient[11] = (partial.gradient[11] as number) + 1e-3;
      });
      assert.deepEqual(outcome, undisturbed);
      assert.equal(counts.mismatch, 1);
      const expelled = members.filter((member) => member.expelled.length > 0);
      assert.equal(expelled.length, 1);
      assert.deepEqual(expelled[0]?.expelled, ['badResult']);
      assert.equal(expelled[0] === straggler, wrong === 'straggler');
    }
  });
});

/**
 * Three members, one of which stalls with two nodes. Others get them; the first one that has all of one of them is let through,
 * and the other one stalls until the straggler has answered, so that the step is open still and a node is there twice. Where
 * the pieces were dealt otherwise, another step is tried, and another run.
 * @param tamper changes partials of that node
 */
async function withStraggler(tamper: Tamper): ReturnType<typeof withStragglerOnce> {
  for (;;) {
    const result = await withStragglerOnce(tamper);
    if (result.counts.match + result.counts.mismatch > 0) return result;
  }
}

type Tamper = (partial: Partial, by: 'straggler' | 'other') => void;

async function withStragglerOnce(tamper: Tamper) {
  const members = ['a', 'b', 'c'].map((name) => new DirectMember(name, 1));
  let scene: Scene | undefined;
  let isOver = false;
  for (const member of members) {
    member.hook = async (piece) => {
      if (piece.kind !== 'gradient' || piece.t < 20 || isOver) return;
      if (scene !== undefined && piece.t > scene.t) {
        scene.othersDone.happen();
        scene = undefined;
      }
      if (scene === undefined && piece.nodes.length === 2) {
        scene = { t: piece.t, straggler: member, nodes: piece.nodes, othersDone: event(), answered: event() };
        await scene.othersDone.happened;
      } else if (scene !== undefined && piecesOf(member, scene.t).length >= 2) {
        const double = scene.double === undefined ? scene.nodes.find((node) => holds(piece.nodes, node)) : undefined;
        if (double === undefined) {
          scene.stalls = true;
          await scene.answered.happened;
          return;
        }
        // Where all of it was dealt to one, the step would end with this piece.
        const here = scene;
        await setImmediate();
        if (here.stalls) Object.assign(here, { double, other: member });
      }
    };
    member.tamper = ({ kind, t }, partials) => {
      if (kind !== 'gradient' || scene?.double === undefined || t !== scene.t || isOver) return;
      const { straggler, other, double, othersDone, answered } = scene;
      if (member !== straggler && member !== other) return;
      const partial = partials.find(({ node }) => node.begin >= double.begin && node.end <= double.end);
      if (partial === undefined) return;
      tamper(partial, member === straggler ? 'straggler' : 'other');
      // The straggler has its own work before it, in which these come in.
      othersDone.happen();
      if (member !== straggler) return;
      isOver = true;
      answered.happen();
    };
  }
  const { outcome, cluster } = await trained({ members, workers: 0 });
  return { members, straggler: scene?.straggler, outcome, counts: cluster.auditCounts };
}

interface Scene {
  readonly t: number;
  readonly straggler: DirectMember;
  readonly nodes: readonly TreeNode[];
  readonly othersDone: ReturnType<typeof event>;
  readonly answered: ReturnType<typeof event>;
  /** Somebody waits for the straggler. */
  stalls?: boolean;
  /** The node that is computed twice, and by whom. */
  readonly double?: TreeNode;
  readonly other?: DirectMember;
}

function piecesOf({ pieces }: DirectMember, t: number): Piece[] {
  return pieces.filter((piece) => piece.kind === 'gradient' && piece.t === t);
}

function holds(nodes: readonly TreeNode[], { begin, end }: TreeNode): boolean {
  return unitCount(nodes.filter((node) => node.begin >= begin && node.end <= end)) === end - begin;
}

function event(): { readonly happened: Promise<void>; readonly happen: () => void } {
  let happen = (): void => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  // Where the pieces were dealt so that each waits for another one, this scene is over.
  return { happened: Promise.race([happened, setTimeout(2000)]).then(() => {}), happen: () => happen() };
}
