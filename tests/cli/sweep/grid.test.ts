import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Given, gridOf, valuesOf } from '#src/cli/sweep/grid.js';

const FOLDER = join('/', 'runs', 'sweep');

function grid(given: Given): readonly string[] {
  return gridOf(given, FOLDER, {}).map(({ name }) => name);
}

describe('the values of a swept option', () => {
  it('are lists, ranges and both, each value once', () => {
    assert.deepEqual(valuesOf('seed', ['1..3,7', '2']), ['1', '2', '3', '7']);
    assert.deepEqual(valuesOf('learningRate', ['0.001, 0.003']), ['0.001', '0.003']);
    assert.deepEqual(valuesOf('seed', ['8..8']), ['8']);
  });

  it('are whole where values have commas of their own', () => {
    assert.deepEqual(valuesOf('augment', ['shift,flip', 'none']), ['shift,flip', 'none']);
    assert.deepEqual(valuesOf('notify', ['jq "{text,run}"']), ['jq "{text,run}"']);
  });

  it('are no range that is empty or endless', () => {
    for (const text of ['3..1', '1..99999999', '1..x', '1..', '1...3', '-1..2', '1..2..3', '0.1..0.3'])
      assert.throws(() => valuesOf('seed', [text]), /--seed: expected a range/);
    assert.deepEqual(valuesOf('model', ['../a.json,../b.json']), ['../a.json', '../b.json']);
  });
});

describe('the runs of a sweep', () => {
  it('are all combinations, each with the options of all', () => {
    const runs = gridOf({ seed: ['1', '2'], iterations: ['10'], optimizer: ['sgd', 'adam'] }, FOLDER, {});
    assert.deepEqual(
      runs.map(({ name }) => name),
      ['seed-1_optimizer-sgd', 'seed-1_optimizer-adam', 'seed-2_optimizer-sgd', 'seed-2_optimizer-adam'],
    );
    assert.deepEqual(runs[1], {
      name: 'seed-1_optimizer-adam',
      path: join(FOLDER, 'seed-1_optimizer-adam'),
      values: { seed: '1', optimizer: 'adam' },
      flags: { iterations: '10', seed: '1', optimizer: 'adam' },
    });
  });

  it('have names that a file system takes, each another one', () => {
    assert.deepEqual(grid({ augment: ['none', 'shift,scale:10'] }), ['augment-none', 'augment-shift-scale-10']);
    assert.throws(() => grid({ augment: ['flip,shift', 'flip-shift'] }), /folder augment-flip-shift|--augment/);
    assert.throws(() => grid({ data: ['a b', 'a-b'] }), /Two runs would have the folder data-a-b/);
  });

  it('are refused before one begins: what no run would take, what a sweep decides, and a single combination', () => {
    assert.throws(() => grid({ batch: ['128', '7'] }), /--batch: expected a multiple/);
    assert.throws(() => grid({ sed: ['1', '2'] }), /--sed is not a flag/);
    assert.throws(() => grid({ seed: ['1', '2'], resume: ['latest'] }), /--resume: the runs of a sweep can't/);
    assert.throws(() => grid({ seed: ['1'] }), /Expected an option with several values/);
    const many = Array.from({ length: 200 }, (_, i) => String(i + 1));
    assert.throws(() => grid({ seed: many, iterations: many }), /at most 10000 runs, but these values make 40000/);
  });
});
