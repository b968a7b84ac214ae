import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMPLETION_SIGNAL_WORDS, CompletionSignal } from '#src/worker/pool/completion-signal.js';

/** A referenced timer: a wait for shared memory doesn't keep the process alive. */
async function alive<T>(body: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 1000);
  try {
    return await body();
  } finally {
    clearInterval(timer);
  }
}

function signalWith(commands: number): CompletionSignal {
  const signal = new CompletionSignal(new Int32Array(new SharedArrayBuffer(4 * COMPLETION_SIGNAL_WORDS)));
  for (let command = 0; command < commands; command++) signal.arm();
  return signal;
}

describe('a wait for commands', () => {
  it('ends with the one that reaches the threshold', async () => {
    const signal = signalWith(3);
    const { read } = signal;
    let isOver = false;
    const waiting = signal.wait({ read, wakeThreshold: 1, hasNews: () => false }).then((waited) => {
      isOver = true;
      return waited;
    });
    signal.count();
    await new Promise(setImmediate);
    assert.equal(isOver, false);
    signal.count();
    assert.equal(await alive(() => waiting), true);
  });

  it('is none if few enough are left and one of them is news', async () => {
    const signal = signalWith(1);
    assert.equal(await signal.wait({ read: signal.read, wakeThreshold: 1, hasNews: () => true }), false);
  });

  it('is one if few are left and none is news', async () => {
    const signal = signalWith(1);
    const waiting = signal.wait({ read: signal.read, wakeThreshold: 1, hasNews: () => false });
    signal.count();
    assert.equal(await alive(() => waiting), true);
  });

  it('is none if there was a signal since it was read', async () => {
    const signal = signalWith(1);
    const { read } = signal;
    signal.signal();
    assert.equal(await signal.wait({ read, wakeThreshold: 0, hasNews: () => false }), false);
  });
});
