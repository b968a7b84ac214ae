import assert from 'node:assert/strict';
import { it } from 'node:test';
import { factsOf } from '#src/inspect/dataset/facts.js';
import { rowsOf, sampleSheet } from '#src/inspect/dataset/sheet.js';
import type { Dataset } from '#src/shared/data/dataset.js';

/** Samples of 1x1x2 bytes: [first, second, class]. */
type Sample = readonly [number, number, number];

function datasetOf(train: readonly Sample[], test: readonly Sample[], classNames: readonly string[]): Dataset {
  const split = (samples: readonly Sample[]) => ({
    inputs: Uint8Array.from(samples.flatMap((sample) => sample.slice(0, 2))),
    targets: Uint16Array.from(samples.map(([, , target]) => target)),
    count: samples.length,
  });
  const shape = { maps: 1, height: 1, width: 2, classes: classNames.length };
  return { name: 'made', sha256: '', ...shape, classNames, train: split(train), test: split(test) };
}

const SMALL = datasetOf(
  [
    [0, 255, 0],
    [0, 255, 0],
    [10, 20, 1],
    [10, 20, 0],
  ],
  [
    [10, 20, 1],
    [7, 7, 1],
    [7, 7, 1],
  ],
  ['cat', 'dog', 'eel'],
);

it('counts the samples of each class, those without any too', () => {
  assert.deepEqual(factsOf(SMALL).classes, [
    { name: 'cat', train: 3, test: 0 },
    { name: 'dog', train: 1, test: 3 },
    { name: 'eel', train: 0, test: 0 },
  ]);
});

it('tells samples that are there twice, in both parts, or with two targets', () => {
  assert.deepEqual(factsOf(SMALL).duplicates, { train: 2, test: 1, leaked: 1, contradicting: 1 });
});

it('has mean and deviation of each map, of bytes as 0 to 1', () => {
  const [map] = factsOf(SMALL).maps;
  const values = [0, 255, 0, 255, 10, 20, 10, 20].map((byte) => byte / 255);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  assert.deepEqual([map?.least, map?.most], [0, 1]);
  assert.ok(Math.abs((map?.mean ?? 0) - mean) < 1e-12 && Math.abs((map?.deviation ?? 0) - deviation) < 1e-12);
});

it('has the range of each output if the targets are numbers', () => {
  const part = (targets: number[]) => ({
    inputs: Float32Array.from(targets, (_, i) => i),
    targets: Float32Array.from(targets),
    count: targets.length,
  });
  const shape = { maps: 1, height: 1, width: 1, classes: 1 };
  const dataset = {
    name: 'made',
    sha256: '',
    ...shape,
    classNames: ['price'],
    train: part([2, 4, 9]),
    test: part([1]),
  };
  const { classes, outputs, maps } = factsOf(dataset);
  assert.equal(classes, undefined);
  assert.deepEqual(
    outputs?.map(({ name, least, most, mean }) => [name, least, most, mean]),
    [['price', 2, 9, 5]],
  );
  assert.deepEqual([maps[0]?.least, maps[0]?.most], [0, 2]);
  assert.equal(sampleSheet(dataset), undefined);
});

it('shows a row of samples for each class that has any, again where there are few', () => {
  assert.deepEqual(rowsOf(SMALL), [
    [0, 1, 3, 0, 1, 3, 0, 1, 3, 0],
    [2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
  ]);
});
