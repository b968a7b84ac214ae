import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChangeSignal } from '#src/coordinator/cluster/change-signal.js';

/** Longer than any test waits. */
const FOREVER_MS = 600_000;

describe('a wait for a change', () => {
  it('ends with the change', async () => {
    const changed = new ChangeSignal();
    const waiting = changed.wait(changed.read, FOREVER_MS);
    changed.signal();
    await waiting;
  });

  it('is none if something has changed since the look', async () => {
    const changed = new ChangeSignal();
    const { read } = changed;
    changed.signal();
    await changed.wait(read, FOREVER_MS);
  });

  it('ends after its time, however short, by a timer', async () => {
    const changed = new ChangeSignal();
    let hasTurned = false;
    setTimeout(() => {
      hasTurned = true;
    }, 1);
    await changed.wait(changed.read, Number.NEGATIVE_INFINITY);
    assert.equal(hasTurned, true);
  });
});
