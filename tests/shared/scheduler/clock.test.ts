import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningClock } from '#src/shared/scheduler/clock.js';

test('a running clock shows the time that it is looked at often enough', () => {
  let time = 1000;
  const clock = new RunningClock(200, () => time);
  assert.equal(clock.now(), 0);
  for (const step of [1, 150, 200]) time += step;
  clock.now();
  for (let tick = 0; tick < 400; tick++) {
    time += 100;
    clock.now();
  }
  assert.equal(clock.now(), 200 + 40_000);
});

test('a running clock passes over the time for which the process was suspended', () => {
  let time = 0;
  const clock = new RunningClock(200, () => time);
  time += 3_600_000;
  assert.equal(clock.now(), 200);
  assert.equal(clock.now(), 200);
  time += 50;
  assert.equal(clock.now(), 250);
});
