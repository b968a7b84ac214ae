import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupsOf, type SweptResult, tableOf } from '#src/cli/sweep/table.js';

function result(values: Record<string, string>, figures: SweptResult['evaluation']): SweptResult {
  const name = Object.values(values).join('-');
  return { run: { name, path: `/sweep/${name}`, values, flags: values }, evaluation: figures };
}

describe('the table of a sweep', () => {
  it('has mean, deviation and best over seeds, the best mean first', () => {
    const results = [
      result({ seed: '1', learningRate: '0.1' }, { testAccuracy: 0.5 }),
      result({ seed: '2', learningRate: '0.1' }, { testAccuracy: 0.6 }),
      result({ seed: '1', learningRate: '0.2' }, { testAccuracy: 0.9 }),
      result({ seed: '2', learningRate: '0.2' }, {}),
    ];
    const groups = groupsOf(results);
    assert.deepEqual(
      groups.map(({ values, count, best }) => [values.learningRate, count, best.name, best.path]),
      [
        ['0.2', 1, '1-0.2', '/sweep/1-0.2'],
        ['0.1', 2, '2-0.1', '/sweep/2-0.1'],
      ],
    );
    assert.equal(groups[0]?.deviation, undefined);
    assert.ok(Math.abs((groups[1]?.deviation as number) - 0.1 / Math.SQRT2) < 1e-12);
    assert.deepEqual(tableOf(groups, results), [
      'learning-rate  runs  test accuracy  deviation     best  run',
      '0.2               1        90.00 %          -  90.00 %  1-0.2',
      '0.1               2        55.00 %     7.07 %  60.00 %  2-0.1',
    ]);
  });

  it('takes the lowest loss for the best, where there is nothing else', () => {
    const results = [
      result({ optimizer: 'sgd' }, { testLoss: 0.5 }),
      result({ optimizer: 'adam' }, { testLoss: 0.25 }),
    ];
    const [first] = groupsOf(results);
    assert.deepEqual([first?.values, first?.mean], [{ optimizer: 'adam' }, 0.25]);
    assert.match(tableOf(groupsOf(results), results)[0] ?? '', /test loss/);
  });

  it('is empty if no run is done', () => {
    assert.deepEqual(tableOf(groupsOf([]), []), []);
  });
});
