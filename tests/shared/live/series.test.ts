import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MAX_OWN_SCALARS, type OwnValues } from '#src/shared/live/own-scalars.js';
import { packSeries, unpackSeries } from '#src/shared/live/packed-series.js';
import { type Point, pointOf, type SeriesData, StepSeries, stepsAround } from '#src/shared/live/series.js';
import { stepRecord } from '../../support/step-record.ts';

function point(step: number, loss: number): Point {
  return pointOf(stepRecord(step, { loss }));
}

function seriesOf(losses: readonly number[], capacity: number): StepSeries {
  const series = new StepSeries(capacity);
  for (const [i, loss] of losses.entries()) series.push(point(i + 1, loss));
  return series;
}

const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));

describe('StepSeries', () => {
  test("keeps a caller's own scalars from the step on that first has them, up to a number", () => {
    const series = new StepSeries(8);
    const push = (step: number, scalars?: OwnValues): void =>
      series.push(pointOf(stepRecord(step, scalars === undefined ? {} : { scalars })));
    for (const step of [1, 2]) push(step);
    for (const step of [3, 4, 5, 6, 7, 8]) push(step, { load: step });
    assert.deepEqual(series.own, ['host/load']);
    const whole = { from: 1, to: 8, points: 8 };
    assert.deepEqual(series.curve('host/load', whole).mean, [null, null, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(series.curve('host/other', whole).mean, new Array(8).fill(null));
    for (const step of [9, 10]) push(step, { load: step });
    assert.deepEqual(series.curve('host/load', { from: 1, to: 10, points: 8 }).mean, [null, 3.5, 5.5, 7.5, 9.5]);
    const again = StepSeries.from(unpackSeries(packSeries(series.data, ['loss', 'host/load'])));
    assert.deepEqual(again.curve('host/load', { from: 3, to: 10, points: 8 }).max, [4, 6, 8, 10]);
    for (let i = 0; i < 40; i++) push(11 + i, { [`load${i}`]: i });
    assert.equal(series.own.length, MAX_OWN_SCALARS);
  });

  test('keeps every step up to its capacity', () => {
    const losses = Array.from({ length: 16 }, (_, i) => 2 / (i + 1));
    const { size, steps, min, mean, max } = seriesOf(losses, 16).curve('loss', { from: 1, to: 16, points: 100 });
    assert.equal(size, 1);
    assert.deepEqual(
      steps,
      losses.map((_, i) => i + 1),
    );
    for (const values of [min, mean, max]) assert.deepEqual(values, losses);
  });

  test('however it merges, each value is the least, the mean and the most of its steps', () => {
    const losses = fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(losses, fc.integer({ min: 2, max: 40 }), fc.integer({ min: 1, max: 60 }), (all, capacity, points) => {
        const series = seriesOf(all, capacity);
        assert.deepEqual(series.span, { first: 1, last: all.length });
        const { size, steps, min, mean, max } = series.curve('loss', { from: 1, to: all.length, points });
        assert.ok(steps.length <= Math.max(points, 1) || size === series.size);
        assert.equal(steps.length, Math.ceil(all.length / size));
        for (const [i, middle] of steps.entries()) {
          const of = all.slice(i * size, (i + 1) * size);
          assert.equal(middle, i * size + (size + 1) / 2);
          assert.equal(min[i], Math.min(...of));
          assert.equal(max[i], Math.max(...of));
          assert.ok(isNear(mean[i] ?? Number.NaN, of.reduce((sum, value) => sum + value, 0) / of.length));
        }
      }),
    );
  });

  test('along a logarithmic axis each step is in one value, which knows its steps', () => {
    const losses = fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1, maxLength: 3000 });
    fc.assert(
      fc.property(
        losses,
        fc.integer({ min: 40, max: 4000 }),
        fc.integer({ min: 20, max: 400 }),
        (all, capacity, points) => {
          const series = seriesOf(all, capacity);
          const options = { from: 1, to: all.length, points, isLogarithmic: true };
          const { size, steps, min, mean, max } = series.curve('loss', options);
          assert.ok(steps.length <= 1.5 * points || size === series.size);
          let next = 1;
          for (const [i, middle] of steps.entries()) {
            const { first, last } = stepsAround(middle);
            assert.equal(first, next);
            assert.ok(last - first < size);
            next = last + 1;
            const of = all.slice(first - 1, last);
            assert.equal(min[i], Math.min(...of));
            assert.equal(max[i], Math.max(...of));
            assert.ok(isNear(mean[i] ?? Number.NaN, of.reduce((sum, value) => sum + value, 0) / of.length));
          }
          assert.ok(next > all.length);
        },
      ),
    );
  });

  test('the memory is bounded', () => {
    const series = seriesOf(
      Array.from({ length: 10_000 }, () => 1),
      64,
    );
    const { buckets, size } = series.data;
    assert.ok(buckets.length <= 64);
    assert.equal(size, 256);
  });

  test('shows a part of the steps, with those at its edges', () => {
    const series = seriesOf(
      Array.from({ length: 100 }, (_, i) => i + 1),
      200,
    );
    const { steps } = series.curve('loss', { from: 40, to: 60, points: 1000 });
    assert.deepEqual(
      steps,
      Array.from({ length: 21 }, (_, i) => 40 + i),
    );
  });

  test('continues as before after it was transferred', () => {
    const losses = Array.from({ length: 100 }, (_, i) => (i * 37) % 11);
    const here = seriesOf(losses, 32);
    const there = StepSeries.from(JSON.parse(JSON.stringify(here.data)) as SeriesData, 32);
    for (const series of [here, there]) for (let step = 101; step <= 200; step++) series.push(point(step, step % 7));
    const all = { from: 1, to: 200, points: 1000 };
    const [left, right] = [here.curve('loss', all), there.curve('loss', all)];
    assert.deepEqual([right.steps, right.min, right.max], [left.steps, left.min, left.max]);
    for (const [i, mean] of right.mean.entries())
      assert.ok(Math.abs((mean ?? Number.NaN) - (left.mean[i] ?? Number.NaN)) < 1e-4);
  });

  test('a value of which a step is not finite is null, here and where it was transferred', () => {
    const losses = Array.from({ length: 64 }, (_, i) => i + 1);
    losses[20] = Number.NaN;
    losses[40] = Number.POSITIVE_INFINITY;
    const here = seriesOf(losses, 32);
    const there = StepSeries.from(JSON.parse(JSON.stringify(here.data)) as SeriesData, 32);
    for (const series of [here, there]) {
      const { steps, min, mean, max } = series.curve('loss', { from: 1, to: 64, points: 16 });
      for (const [i, middle] of steps.entries()) {
        const isWhole = i !== 5 && i !== 10;
        assert.deepEqual(
          [min[i], mean[i], max[i]],
          isWhole ? [middle - 1.5, middle, middle + 1.5] : [null, null, null],
        );
      }
    }
  });

  test('the mean of the largest numbers is finite', () => {
    const { mean } = seriesOf([1.7e308, 1.7e308, 1.7e308, 1.7e308], 2).curve('loss', { from: 1, to: 4, points: 1 });
    assert.ok(mean.length === 1 && Number.isFinite(mean[0]));
  });

  test('a run that begins later has its steps at their places', () => {
    const series = new StepSeries(8);
    for (let step = 1001; step <= 1040; step++) series.push(point(step, 1));
    const { steps, size } = series.curve('loss', { from: 1, to: 1040, points: 2000 });
    assert.equal(size, 8);
    assert.deepEqual(steps, [1004.5, 1012.5, 1020.5, 1028.5, 1036.5]);
  });
});

describe('the times of a series', () => {
  const steps = 40;
  /** Each step takes 2 s, of which 0.5 s overlap with the one before; a pause of an hour comes before step 21. */
  const record = (step: number) => {
    const at = 1_000_000 + 1500 * step + (step > 20 ? 3_600_000 : 0);
    return pointOf(stepRecord(step, { timings: { at, total: 2 } }));
  };

  for (const capacity of [64, 16]) {
    const series = new StepSeries(capacity);
    for (let step = 1; step <= steps; step++) series.push(record(step));

    test(`are those of the last steps of its buckets, by a capacity of ${capacity}`, () => {
      for (const each of [series, StepSeries.from(series.data)]) {
        assert.ok(each.has('wall') && each.has('elapsed'));
        assert.equal(each.timeOf(steps, 'wall'), record(steps).at);
        // The first step and the first after the pause count whole, the others what they took longer.
        assert.equal(each.timeOf(steps, 'elapsed'), 2 + 19 * 1.5 + 2 + 19 * 1.5);
        const { first, last } = each.stepsAt(record(30).at as number, 'wall');
        assert.ok(first <= 30 && last >= 30 && last - first < each.size, `${first} to ${last}`);
        assert.ok(each.stepsAt(Number.MAX_VALUE, 'elapsed').last >= steps);
        assert.equal(each.stepsAt(0, 'elapsed').first, 1);
      }
    });
  }

  for (const capacity of [64, 8]) {
    test(`of a log that leaves steps out count those too, by a capacity of ${capacity}`, () => {
      const thin = new StepSeries(capacity);
      for (const step of [1, 5, 10, 15, 20, 25, 30, 35]) {
        thin.push(pointOf(stepRecord(step, { timings: { at: 1_000_000 + 3000 * step, total: 2 } })));
      }
      // No step takes longer than the time since the one before.
      thin.push(pointOf(stepRecord(38, { timings: { at: 1_000_000 + 3000 * 35 + 4000, total: 2 } })));
      for (const each of [thin, StepSeries.from(unpackSeries(packSeries(thin.data, ['loss'])))]) {
        assert.deepEqual([each.span, each.isThin], [{ first: 1, last: 38 }, true]);
      }
      assert.equal(thin.timeOf(38, 'elapsed'), 2 * 35 + 4);
    });
  }

  test('of a log that has none are the durations of its steps', () => {
    const series = seriesOf([1, 1, 1], 16);
    assert.equal(series.has('wall'), false);
    assert.equal(series.timeOf(3, 'elapsed').toFixed(6), '0.015000');
  });

  test('are none of a series without steps, or from which they were left out', () => {
    assert.equal(new StepSeries().has('elapsed'), false);
    const { times: _, ...data } = seriesOf([1, 2], 16).data;
    const series = StepSeries.from(data);
    assert.equal(series.has('elapsed'), false);
    series.push(point(3, 1));
    assert.equal(series.data.times, undefined);
  });
});
