import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Transfer } from '#src/shared/util/transfer.js';

const MB = 1e6;

/** The lines about a transfer of 55 MB that has come so far after so many seconds. */
function linesOf(begin: number, reached: readonly (readonly [seconds: number, megabytes: number])[]): string[] {
  const lines: string[] = [];
  let seconds = 0;
  const transfer = new Transfer({
    total: 55 * MB,
    begin: begin * MB,
    print: (line) => lines.push(line),
    now: () => 1000 * seconds,
  });
  for (const [at, megabytes] of reached) {
    seconds = at;
    transfer.reach(megabytes * MB);
  }
  return lines;
}

test('a transfer says every ten seconds how far it is and how long it will take', () => {
  const reached = [1, 2, 11.9, 12, 100, 130].map((seconds) => [seconds, 0.4 * seconds] as const);
  assert.deepEqual(linesOf(0, reached), [
    '0.8 of 55 MB, about 2 min left',
    '4.8 of 55 MB, about 2 min left',
    '40 of 55 MB, about 40 s left',
    '52 of 55 MB, a few seconds left',
  ]);
});

test('a transfer that is over in a moment says nothing', () => {
  assert.deepEqual(linesOf(0, [[1.9, 55]]), []);
});

test('what was there before tells nothing of the speed', () => {
  assert.deepEqual(linesOf(50, [[10, 50.01]]), ['50 of 55 MB, about 83 min left']);
  assert.deepEqual(linesOf(0, [[100, 0.1]]), ['0.1 of 55 MB, about 15 h left']);
  assert.deepEqual(linesOf(5, [[2, 5]]), ['5 of 55 MB, nothing came yet']);
});
