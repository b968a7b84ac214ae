import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { StartupMutex } from '#src/worker/pool/startup-mutex.js';

const TAKER = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ StartupMutex }) => {
  parentPort.postMessage('comes');
  new StartupMutex(workerData.words).take(workerData.owner);
  if (workerData.dies) process.exit(3);
  parentPort.postMessage('has it');
});
`;
const module = import.meta.resolve('#src/worker/pool/startup-mutex.js');

function mutex(): StartupMutex {
  return new StartupMutex(new Int32Array(new SharedArrayBuffer(4)));
}

function taker(words: Int32Array, owner: number, dies = false): Worker {
  return new Worker(TAKER, { eval: true, workerData: { module, words, owner, dies } });
}

describe('the start-up mutex', () => {
  it('is free again once its owner has released it, and nobody else can', () => {
    const one = mutex();
    one.take(1);
    one.release(2);
    assert.equal(one.words[0], 1);
    one.release(1);
    one.take(2);
    assert.equal(one.words[0], 2);
  });

  it('comes to a thread that waits', async () => {
    const one = mutex();
    one.take(1);
    const thread = taker(one.words, 2);
    // Listened for from the start: on a busy machine the last message comes together with the exit.
    const exit = once(thread, 'exit');
    await once(thread, 'message');
    assert.equal(one.words[0], 1);
    one.release(1);
    assert.deepEqual(await once(thread, 'message'), ['has it']);
    assert.equal(one.words[0], 2);
    await exit;
  });

  it('can be released for a thread that died in it', async () => {
    const one = mutex();
    const [code] = await once(taker(one.words, 1, true), 'exit');
    assert.equal(code, 3);
    assert.equal(one.words[0], 1);
    const next = taker(one.words, 2);
    const exit = once(next, 'exit');
    await once(next, 'message');
    one.release(1);
    assert.deepEqual(await once(next, 'message'), ['has it']);
    await exit;
  });

  it('is not waited for for ever', () => {
    const one = new StartupMutex(new Int32Array(new SharedArrayBuffer(4)), 1);
    one.take(1);
    assert.throws(() => one.take(2), /hasn't finished its start/);
  });
});
