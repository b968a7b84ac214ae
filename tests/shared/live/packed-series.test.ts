import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packSeries, unpackSeries } from '#src/shared/live/packed-series.js';
import { pointOf, QUANTITIES, StepSeries } from '#src/shared/live/series.js';
import { stepRecord } from '../../support/step-record.ts';

for (const [name, capacity, stride] of [
  ['of every step', 64, 1],
  ['of merged steps', 16, 1],
  ['with gaps', 64, 3],
] as const) {
  test(`a packed series ${name} has the curves that it had`, () => {
    const series = new StepSeries(capacity);
    for (let step = 1; step <= 50; step += stride) {
      const value = Math.sin(step);
      series.push(pointOf(stepRecord(step, { loss: value, accuracy: value / 2 })));
    }
    const packed = JSON.parse(JSON.stringify(packSeries(series.data, ['loss', 'accuracy'])));
    const unpacked = unpackSeries(packed);
    const { values, times: _, ...places } = series.data;
    const { values: back, times, ...placesBack } = unpacked;
    assert.equal(times, undefined);
    assert.deepEqual(placesBack, places);
    for (const quantity of QUANTITIES.slice(0, 2)) assert.deepEqual(back[quantity], values[quantity]);
  });
}
