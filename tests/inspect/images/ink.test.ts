import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { componentsOf } from '#src/inspect/images/components.js';
import { prepare } from '#src/inspect/images/prepare.js';
import { decodePicture } from '#src/shared/pictures/decode.js';

const CASES = new URL('../../../../tests/fixtures/pictures/', import.meta.url);
const INPUT = { maps: 1, height: 28, width: 28 };
const INK = { kind: 'ink' } as const;

async function sampleOf(name: string) {
  return prepare(await decodePicture(readFileSync(new URL(name, CASES))), INPUT, INK);
}

interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

type Rectangle = readonly [x: number, y: number, width: number, height: number];

/** Black rectangles on white paper of 200x200. */
function drawn(...rectangles: readonly Rectangle[]): Canvas {
  const data = new Uint8Array(200 * 200).fill(255);
  for (const [left, top, width, height] of rectangles) {
    for (let y = top; y < top + height; y++) data.fill(0, 200 * y + left, 200 * y + left + width);
  }
  return { width: 200, height: 200, data };
}

function samples(...rectangles: readonly Rectangle[]) {
  return prepare({ ...drawn(...rectangles), channels: 1 }, INPUT, INK);
}

describe('what is no ink', () => {
  for (const digit of [0, 7]) {
    test(`a black pixel far from a ${digit}`, async () => {
      assert.deepEqual(await sampleOf(`one-pixel-${digit}.png`), await sampleOf(`one-pixel-${digit}-without.png`));
    });
  }

  test("a dark strip at a scanner's edge", async () => {
    assert.deepEqual(await sampleOf('scanner-edge-7.png'), await sampleOf('plain-7.png'));
  });

  const stroke: Rectangle = [80, 60, 12, 80];
  test('dust in several places, and strips along two edges that meet', () => {
    const dust: Rectangle[] = [
      [10, 150, 2, 2],
      [190, 20, 1, 1],
      [150, 150, 2, 1],
    ];
    const strips: Rectangle[] = [
      [0, 195, 200, 5],
      [196, 40, 4, 160],
    ];
    assert.deepEqual(samples(stroke, ...dust, ...strips), samples(stroke));
  });
});

describe('what is ink', () => {
  const stroke: Rectangle = [80, 60, 12, 80];
  test('a dot of the size of a full stop, a small mark beside a stroke, and a stroke at the edge', () => {
    const dot: Rectangle = [84, 30, 8, 8];
    assert.notDeepEqual(samples(stroke, dot), samples(stroke));
    assert.notDeepEqual(samples(stroke, [93, 60, 3, 3]), samples(stroke));
    assert.notDeepEqual(samples(stroke, [180, 0, 20, 100]), samples(stroke));
  });

  test('what is drawn at the edge, if there is nothing else', () => {
    assert.ok('sample' in samples([0, 20, 4, 100]));
  });
});

describe('components', () => {
  const of = (...rows: readonly string[]) => {
    const width = (rows[0] as string).length;
    const data = Uint8Array.from(rows.join(''), (c) => (c === '#' ? 9 : 0));
    return componentsOf({ width, height: rows.length, data }, { threshold: 9, max: 4 });
  };

  test('are joined at corners, and where two branches meet', () => {
    const [first, second, ...more] = of('#..#...#', '#..#..#.', '####....', '......##') ?? [];
    assert.deepEqual(more.length, 1);
    assert.deepEqual(first, { mass: 72, left: 0, top: 0, right: 4, bottom: 3, depth: 2 });
    assert.deepEqual(second, { mass: 18, left: 6, top: 0, right: 8, bottom: 2, depth: 2 });
  });

  test('know how far they reach from the edges', () => {
    assert.deepEqual(
      of('.....', '..#..', '..#..', '.....', '#####')?.map(({ depth }) => depth),
      [3, 1],
    );
  });

  test('are not told apart if there are too many', () => assert.equal(of('#.#.#.#.#'), undefined));
});
