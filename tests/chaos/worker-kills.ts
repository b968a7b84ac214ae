// node --import ./worker-kills.js PROGRAM: ends one of the program's workers every KILL_SECONDS, each in its turn.
import { isMainThread } from 'node:worker_threads';
import { LocalPool } from '#src/worker/pool/pool.js';

if (isMainThread) {
  const seconds = Number(process.env.KILL_SECONDS);
  const { begin } = LocalPool.prototype;
  LocalPool.prototype.begin = function (this: LocalPool, work) {
    LocalPool.prototype.begin = begin;
    let kills = 0;
    setInterval(() => void this.kill(kills++ % this.workers), 1000 * seconds).unref();
    return begin.call(this, work);
  };
}
