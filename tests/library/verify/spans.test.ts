import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { sampleSpans, spansOf } from '#src/library/verify/spans.js';
import { checkpointsIn } from '#src/shared/checkpoint/checkpoint-file.js';
import { intact } from './tampered.ts';

describe('spans', () => {
  test('reach from checkpoint to checkpoint, and to the last line', async () => {
    const all = (await checkpointsIn(join(intact, 'checkpoints'))).reverse();
    const [first, second, third] = all.map(({ file }) => file);
    assert.deepEqual(spansOf(all, { initialized: true, last: 61 }), [
      { from: 0, to: 20, start: undefined, end: first },
      { from: 20, to: 40, start: first, end: second },
      { from: 40, to: 60, start: second, end: third },
      { from: 60, to: 61, start: third, end: undefined },
    ]);
    assert.deepEqual(
      spansOf(all, { initialized: false, last: 60 }).map(({ from }) => from),
      [20, 40],
    );
    assert.deepEqual(spansOf([], { initialized: true, last: 0 }), []);
  });

  test('are chosen without repetition and put in order', () => {
    const spans = spansOf([], { initialized: true, last: 1 }).flatMap((span) =>
      [0, 1, 2, 3, 4].map((from) => ({ ...span, from, to: from + 1 })),
    );
    const picks = [4, 0, 0];
    const sample = sampleSpans(spans, 3, (below) => {
      const pick = picks.shift() as number;
      assert.ok(pick < below);
      return pick;
    });
    assert.deepEqual(
      sample.map(({ from }) => from),
      [0, 1, 4],
    );
    assert.equal(sampleSpans(spans, 9).length, 5);
  });
});
