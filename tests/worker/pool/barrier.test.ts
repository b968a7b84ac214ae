import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BARRIER_WORDS, StepBarriers } from '#src/worker/pool/barrier.js';
import { BlockWork } from '#src/worker/pool/block-work.js';
import { DEPTH } from '#src/worker/pool/mailbox.js';

function barriers(): StepBarriers {
  return new StepBarriers(new Int32Array(new SharedArrayBuffer(4 * BARRIER_WORDS)));
}

describe("a step's barriers", () => {
  it('let workers pass once all have come', () => {
    const steps = barriers();
    const generation = steps.open(1);
    assert.equal(steps.computed(generation, 0), true);
    steps.updated(generation);
    assert.equal(steps.waitForUpdate(generation, 0), true);
  });

  it('can be closed only until all have computed', () => {
    const steps = barriers();
    const first = steps.open(1);
    assert.equal(steps.close(first), true);
    assert.equal(steps.computed(first, 0), false);
    assert.equal(steps.waitForUpdate(first, 0), false);
    const second = steps.open(1);
    assert.equal(steps.computed(second, 0), true);
    assert.equal(steps.close(second), false);
    assert.equal(steps.waitForUpdate(second, 0), false, 'nobody begins on what may be updated again');
  });

  it('close after the update changes nothing for the step behind', () => {
    const steps = barriers();
    const generation = steps.open(1);
    steps.computed(generation, 0);
    steps.updated(generation);
    assert.equal(steps.close(generation), false);
    assert.equal(steps.waitForUpdate(generation, 0), true);
  });

  it('send a worker away that comes too late', () => {
    const steps = barriers();
    const late = steps.open(2);
    steps.close(late);
    for (let i = 1; i < 2 * DEPTH; i++) steps.open(1);
    const now = steps.open(1);
    assert.equal(steps.computed(late, 0), false, 'its words serve another step by now');
    steps.updated(late);
    assert.equal(steps.computed(now, 0), true);
  });
});

describe("an update's blocks", () => {
  it('are taken once each, in runs of almost the same length', () => {
    const work = new BlockWork(15);
    assert.deepEqual(work.take(0), []);
    const runs = work.take(4);
    assert.deepEqual(
      runs.map(({ begin, end }) => end - begin),
      [3, 4, 4, 4],
    );
    assert.deepEqual(work.take(4), []);
    assert.equal(work.underWay, true);
    for (const _ of runs.slice(1)) work.applied();
    work.giveBack(runs[0] as (typeof runs)[number]);
    assert.equal(work.underWay, false);
    assert.equal(work.complete, false);
    assert.deepEqual(work.take(1), [runs[0]]);
    work.applied();
    assert.equal(work.complete, true);
  });

  it('may be fewer than the workers', () => {
    assert.equal(new BlockWork(2).take(16).length, 2);
  });
});
