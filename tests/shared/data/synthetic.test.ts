import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesIn, type Split } from '#src/shared/data/dataset.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { drawCurve } from '#src/shared/data/pen.js';
import { SYNTHETIC_SHA256, syntheticDataset } from '#src/shared/data/sources/synthetic.js';
import { sha256 } from '../../support/made-set.ts';

const SIZE = 28 * 28;
const dataset = syntheticDataset();
const imageOf = (split: Split, i: number): Uint8Array => bytesIn(split).subarray(i * SIZE, (i + 1) * SIZE);

test('the synthetic set is the same bytes everywhere', () => {
  // Another hash is another data set: checkpoints and published figures refer to it.
  assert.equal(dataset.sha256, 'd529a61d21784944c8a8dd11e7f90bc0b3ef3fa5f14bc5d676da1d0ea8461fdd');
  assert.equal(SYNTHETIC_SHA256, dataset.sha256);
});

test('its digest is that of four IDX files', () => {
  const { train, test: heldOut, sha256: digest } = syntheticDataset({ train: 30, test: 20 });
  const file = (header: string, data: ArrayLike<number>): Buffer =>
    Buffer.concat([Buffer.from(header, 'hex'), Uint8Array.from(data)]);
  const files = [
    file('000008030000001e0000001c0000001c', train.inputs),
    file('000008010000001e', train.targets),
    file('00000803000000140000001c0000001c', heldOut.inputs),
    file('0000080100000014', heldOut.targets),
  ];
  const lines = MNIST_FILES.map(({ name }, i) => `${sha256(files[i] as Buffer)}  ${name}\n`);
  assert.equal(digest, sha256(lines.join('')));
});

test('it has the shape of MNIST', () => {
  const { name, width, height, train, test: heldOut } = dataset;
  assert.deepEqual([name, width, height, train.count, heldOut.count], ['synthetic', 28, 28, 60000, 10000]);
  for (const { inputs, targets, count } of [train, heldOut]) {
    assert.deepEqual([inputs.length, targets.length], [count * SIZE, count]);
    const classes = new Array<number>(10).fill(0);
    for (const label of targets) classes[label] = (classes[label] ?? 0) + 1;
    assert.equal(classes.length, 10);
    for (const found of classes) assert.ok(found > 0.09 * count && found < 0.11 * count, classes.join());
  }
});

test('an image depends on its index alone, and no two are the same', () => {
  const small = syntheticDataset({ train: 100, test: 100 });
  for (const split of ['train', 'test'] as const) {
    assert.deepEqual(small[split].inputs, dataset[split].inputs.slice(0, 100 * SIZE));
    assert.deepEqual(small[split].targets, dataset[split].targets.slice(0, 100));
  }
  const digests = new Set<string>();
  for (let i = 0; i < 5000; i++) {
    for (const split of [dataset.train, dataset.test]) digests.add(sha256(imageOf(split, i)));
  }
  assert.equal(digests.size, 10_000);
});

describe('drawCurve', () => {
  const canvasOf = (side: number) => ({ pixels: new Uint8Array(side * side), side });
  const pen = { radius: 1, ink: 200 };

  test('draws with a soft edge of the same width on both sides', () => {
    const canvas = canvasOf(9);
    drawCurve(
      canvas,
      [
        [0, 4.5],
        [9, 4.5],
      ],
      pen,
    );
    const column = Array.from({ length: 9 }, (_, row) => canvas.pixels[row * 9 + 4] ?? 0);
    assert.equal(column[4], 200);
    assert.ok((column[3] ?? 0) > 0 && (column[3] ?? 0) < 200, column.join());
    assert.deepEqual(column, column.toReversed());
    assert.equal(column[2], 0);
  });

  test('reaches a corner that is given twice, and rounds one that is not', () => {
    const at = (points: [number, number][]): number => {
      const canvas = canvasOf(20);
      drawCurve(canvas, points, pen);
      return canvas.pixels[2 * 20 + 17] ?? 0;
    };
    assert.equal(
      at([
        [2, 2.5],
        [17.5, 2.5],
        [17.5, 2.5],
        [17.5, 18],
      ]),
      200,
    );
    assert.equal(
      at([
        [2, 2.5],
        [17.5, 2.5],
        [17.5, 18],
      ]),
      0,
    );
  });

  test('keeps within the canvas', () => {
    const canvas = canvasOf(8);
    drawCurve(
      canvas,
      [
        [-20, 4.5],
        [30, 4.5],
      ],
      pen,
    );
    assert.deepEqual([...canvas.pixels.subarray(4 * 8, 5 * 8)], new Array(8).fill(200));
    const outside = canvasOf(8);
    drawCurve(
      outside,
      [
        [-20, -9],
        [-30, 40],
      ],
      pen,
    );
    assert.deepEqual(outside.pixels, new Uint8Array(64));
  });
});
