import assert from 'node:assert/strict';
import { test } from 'node:test';
import { greyOf } from '#src/inspect/images/grey.js';
import type { Pixels } from '#src/shared/pictures/pixels.js';
import { at } from '../../support/reference/arrays.ts';

/** One row of colours or greys, with or without alpha. */
function row(...colours: readonly (readonly number[])[]): Pixels {
  const channels = at(colours, 0).length as Pixels['channels'];
  return { width: colours.length, height: 1, channels, data: Uint8Array.from(colours.flat()) };
}

function greys(...colours: readonly (readonly number[])[]): number[] {
  return [...greyOf(row(...colours)).data];
}

test('greys keep their value, whatever the paper and the ink are', () => {
  const all = Array.from({ length: 256 }, (_, value) => value);
  for (const values of [all, all.toReversed(), [200, 200, 200, ...all], [7, 7, 7]]) {
    assert.deepEqual(greys(...values.map((v) => [v])), values);
    assert.deepEqual(greys(...values.map((v) => [v, v, v])), values);
    assert.deepEqual(greys(...values.map((v) => [v, v, v, 255])), values);
  }
});

test('colours of the same luma stay apart, each as far along as it is mixed', () => {
  const [paper, ink] = [
    [0, 130, 0],
    [255, 0, 0],
  ] as const;
  const mixed = (share: number): number[] => paper.map((p, c) => p + share * (at(ink, c) - p));
  const [none, half, full, ...more] = greys(mixed(0), mixed(0.5), mixed(1), paper, paper, paper) as [
    number,
    number,
    number,
  ];
  assert.ok(full - none > 150, `${none} to ${full}`);
  assert.ok(Math.abs(half - (none + full) / 2) <= 1, `${half}`);
  assert.deepEqual(more, [none, none, none]);
});

test('what is transparent becomes the paper that the ink stands out from', () => {
  const nothing = [90, 90, 90, 0];
  for (const [ink, paper] of [
    [[0, 0, 0, 255], 255],
    [[255, 255, 255, 255], 0],
    [[230, 230, 230, 255], 0],
    [[128, 128, 128, 255], 255],
  ] as const) {
    assert.equal(greys(nothing, nothing, nothing, ink)[0], paper, ink.join());
  }
  const [white, dark] = [
    [255, 255, 255, 255],
    [0, 0, 0, 255],
  ];
  assert.equal(greys(nothing, dark, white, dark, nothing)[0], 0, 'white in a dark rim');
  assert.equal(greys(nothing, white, dark, white, nothing)[0], 255, 'black in a light rim');
});
