import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ListedView } from '#src/shared/live/feed.js';
import {
  type Column,
  compareOptions,
  FIRST_VIEW,
  hashOf,
  LIST_COLUMNS,
  mainFigure,
  shownRuns,
  viewOf,
} from '#src/shared/live/run-list.js';

const run = (name: string, rest: Partial<ListedView> = {}): ListedView => ({
  name,
  state: 'finished',
  changed: 0,
  bytes: 1000,
  tags: [],
  ...rest,
});

const RUNS = [
  run('run-10', { testAccuracy: 0.9, started: 10, tags: ['baseline'], step: 5 }),
  run('run-9', { testAccuracy: 0.95, started: 20, state: 'crashed', note: 'Power cut' }),
  run('run-2', { started: 15, dataset: 'cifar10', best: { step: 3, validationLoss: 0.5 } }),
];

function namesOf(view: object): string[] {
  return shownRuns(RUNS, { ...FIRST_VIEW, ...view }).map(({ name }) => name);
}

describe('the order of the runs', () => {
  test('is newest first, at first', () => assert.deepEqual(namesOf({}), ['run-9', 'run-2', 'run-10']));

  test('has those last that lack a figure, in both directions', () => {
    assert.deepEqual(namesOf({ sort: 'test', isDescending: true }), ['run-9', 'run-10', 'run-2']);
    assert.deepEqual(namesOf({ sort: 'test', isDescending: false }), ['run-10', 'run-9', 'run-2']);
  });

  test('of names is that of the numbers in them', () => {
    assert.deepEqual(namesOf({ sort: 'name', isDescending: false }), ['run-2', 'run-9', 'run-10']);
  });

  test('can be that of any column', () => {
    for (const sort of LIST_COLUMNS) {
      for (const isDescending of [false, true]) assert.equal(namesOf({ sort, isDescending }).length, 3, sort);
    }
  });
});

test('a filter lets those pass that have each of its words somewhere', () => {
  assert.deepEqual(namesOf({ filter: 'BASE' }), ['run-10']);
  assert.deepEqual(namesOf({ filter: 'run power' }), ['run-9']);
  assert.deepEqual(namesOf({ filter: 'finished  cifar' }), ['run-2']);
  assert.deepEqual(namesOf({ filter: 'nothing' }), []);
});

describe('the address', () => {
  test('holds the view', () => {
    const views = [
      { chosen: ['a', 'b&c=d #+%', 'ü'], sort: 'test' as Column, isDescending: true, filter: 'x y' },
      { chosen: [], sort: 'name' as Column, isDescending: false, filter: '' },
    ];
    for (const view of views) assert.deepEqual(viewOf(`#${hashOf(view)}`), view);
  });

  test('is that of the first view if it is something else', () => {
    for (const hash of ['', '#', '#sort=nothing', '#sort=constructor', '#sort=--name', '#other=1']) {
      assert.deepEqual(viewOf(hash), FIRST_VIEW, hash);
    }
    assert.deepEqual(viewOf('#run=a&run=a').chosen, ['a']);
  });
});

test('options are told apart by their values, those that a run lacks too', () => {
  const { different, same } = compareOptions([
    { batch: 8, seed: 1, model: 'lenet5' },
    { batch: 8, seed: 2, model: 'lenet5', init: 'x' },
  ]);
  assert.deepEqual(different, [
    { name: 'seed', values: ['1', '2'] },
    { name: 'init', values: [undefined, 'x'] },
  ]);
  assert.deepEqual(
    same.map(({ name }) => name),
    ['batch', 'model'],
  );
  assert.deepEqual(compareOptions([]), { different: [], same: [] });
});

test('a figure that is not finite is none', () => {
  // As JSON has it.
  const evaluation = JSON.parse('{"testAccuracy":null,"testLoss":0.5}');
  assert.deepEqual(mainFigure(evaluation), { name: 'loss', value: 0.5 });
  assert.equal(mainFigure({ testLoss: Number.NaN }), undefined);
  assert.deepEqual(mainFigure({ validationAccuracy: 0.5, validationLoss: 1 }), { name: 'accuracy', value: 0.5 });
});
