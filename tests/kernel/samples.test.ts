import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationRunner, pair } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';
import { uniformStream } from '../support/reference/random.ts';

const { fround } = Math;
const SIZE = { maps: 3, height: 5, width: 7 };
const VALUES = SIZE.maps * SIZE.height * SIZE.width;
const SAMPLES = 11;

const runner = new OperationRunner();
const uniform = uniformStream(4);
const bytes = runner.memory.bytes(SAMPLES * VALUES);
bytes.set(Array.from({ length: bytes.length }, () => 128 * (uniform() + 1)));
const floats = runner.randomFloats(SAMPLES * VALUES, 5);
// Both directions, further than the image too.
const SHIFTS = [0, 0, 1, -2, -1, 2, 5, 0, -9, 1, 2, 7, 0, -8, -4, 6];

for (const [name, samples, scale] of [
  ['decodeBytes', bytes, fround(1 / 255)],
  ['decodeFloats', floats, 1],
] as const) {
  describe(name, () => {
    for (let count = 1; count <= 8; count++) {
      it(`brings ${count} shifted samples into lanes`, () => {
        const indices = runner.ints([3, 0, 10, 3, 7, 1, 9, 5].map((index, lane) => (lane < count ? index : 1e9)));
        const shifts = runner.memory.bytes(16);
        shifts.set(SHIFTS.map((shift) => shift & 0xff));
        const out = runner.maps(SIZE, 2);
        const values = [out, indices.byteOffset, shifts.byteOffset, SIZE.maps, pair(SIZE.height, SIZE.width)];
        runner.run(name, values, { samples, count });
        out.each((map, y, x, lane) => {
          const [row, column] = [y - at(SHIFTS, 2 * lane), x - at(SHIFTS, 2 * lane + 1)];
          const real = lane < count && row >= 0 && row < SIZE.height && column >= 0 && column < SIZE.width;
          const index = at(indices, lane) * VALUES + (map * SIZE.height + row) * SIZE.width + column;
          assert.equal(out.get(map, y, x, lane), real ? fround(at(samples, index) * scale) : 0);
        });
        assert.ok(out.borderIsUntouched);
      });
    }
  });
}
