import { startEngine } from '../../coordinator/engine.ts';
import { memoryFor } from '../../library/capacity.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { benchDataset } from '../bench/images.ts';
import { type Check, reasonOf } from './check.ts';

const DEADLINE_MS = 20_000;

/** Starts the pool as a training run would, and has it compute until every worker thread is up. */
export async function checkWorkers(config: TrainConfig): Promise<Check> {
  const name = 'worker threads';
  const threads = config.workers === 1 ? '1 thread' : `${config.workers} threads`;
  try {
    const ready = await readyWorkers(config);
    if (ready === config.workers) return { name, status: 'ok', found: `${threads} started and computed gradients` };
    return problem(`only ${ready} of ${threads} started in ${DEADLINE_MS / 1000} s`);
  } catch (error) {
    return problem(`${threads} asked for, but ${reasonOf(error)}`);
  }
}

function problem(found: string): Check {
  const advice = 'Try fewer by --workers. In a container, check its limits on processes and memory.';
  return { name: 'worker threads', status: 'problem', found, advice };
}

async function readyWorkers(config: TrainConfig): Promise<number> {
  const memory = memoryFor(config);
  const layout = modelOf(config);
  const weights = { values: memory.parameters(layout.parameters), readers: 0 };
  let ready = 0;
  const onReady = (count: number): void => {
    ready = count;
  };
  const { pool } = startEngine({ config, memory, dataset: benchDataset(layout), onReady });
  const root = { begin: 0, end: config.batch / config.shardSize };
  let late = false;
  // Closing ends a round that would wait for ever.
  const timer = setTimeout(() => {
    late = true;
    void pool.close();
  }, DEADLINE_MS);
  try {
    while (ready < config.workers) await pool.gradient({ t: 0, weights, ranges: [root] });
  } catch (error) {
    if (!late) throw error;
  } finally {
    clearTimeout(timer);
    await pool.close();
  }
  return ready;
}
