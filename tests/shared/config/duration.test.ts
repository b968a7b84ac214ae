import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { secondsOf } from '#src/shared/config/duration.js';

test('a duration is a number with its unit', () => {
  const seconds = { '90s': 90, '10m': 600, '3h': 10_800, '1.5h': 5400, '24d': 2_073_600 };
  for (const [text, expected] of Object.entries(seconds)) assert.equal(secondsOf(text), expected, text);
});

for (const [text, why] of [
  ['3', 'is no time'],
  ['h', 'is no time'],
  ['-3h', 'is no time'],
  ['3 h', 'is no time'],
  ['1e3s', 'is no time'],
  ['0s', 'is over at once'],
  ['25d', 'is too long'],
] as const) {
  test(`--max-time ${text} ${why}`, () => {
    const resolve = () => resolveTrainConfig({ flags: { maxTime: text }, env: {} });
    assert.throws(resolve, {
      message: `--max-time: expected a number with s, m, h or d behind it, such as 90s or 3h, up to 24d, but got "${text}", which ${why}. Change it, or leave it out for the default (until it is done).`,
    });
  });
}
