// node --import ./slow-node.js PROGRAM: a node that takes ten times as long for each gradient.
import { setTimeout } from 'node:timers/promises';
import { LocalPool } from '#src/worker/pool/pool.js';

const { gradient } = LocalPool.prototype;
LocalPool.prototype.gradient = async function (this: LocalPool, work) {
  const start = performance.now();
  const partials = await gradient.call(this, work);
  await setTimeout(9 * (performance.now() - start));
  return partials;
};
