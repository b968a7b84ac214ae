import { startEngine } from '../../coordinator/engine.ts';
import { CAPACITY, memoryFor } from '../../library/capacity.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { MAX_WORKERS } from '../../shared/config/schema.ts';
import { DEFAULT_SET } from '../../shared/data/registry.ts';
import { MEMORY_ADVICE } from '../../shared/engine/wasm/memory.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { MemoryError } from '../../shared/util/errors.ts';
import { requireRoom } from '../../worker/pool/capacity.ts';
import { benchDataset } from '../bench/images.ts';
import { type Check, memoryProblem, reasonOf } from './check.ts';

const DEADLINE_MS = 20_000;

/** How many workers memory allows. */
export function checkCapacity(config: TrainConfig, capacity = CAPACITY): Check {
  const name = 'most workers';
  const held = capacity.held(config, MAX_WORKERS);
  const afforded = capacity.afforded(config, MAX_WORKERS);
  const { batch, shardSize, workers } = config;
  const reason = afforded < held ? 'within the limits on memory' : 'in one shared memory';
  const found = `${afforded} for a batch of ${batch} in shards of ${shardSize}, ${reason}; ${workers} chosen`;
  if (workers <= afforded) return { name, status: 'ok', found };
  return { name, status: 'problem', found, advice: MEMORY_ADVICE };
}

/** Starts the pool as a training run would, and has it compute until every worker thread is up. */
export async function checkWorkers(config: TrainConfig): Promise<Check> {
  const name = 'worker threads';
  const threads = config.workers === 1 ? '1 thread' : `${config.workers} threads`;
  try {
    const ready = await readyWorkers(config);
    if (ready === config.workers) return { name, status: 'ok', found: `${threads} started and computed gradients` };
    return problem(`only ${ready} of ${threads} started in ${DEADLINE_MS / 1000} s`);
  } catch (error) {
    if (error instanceof MemoryError) return memoryProblem(name, error);
    return problem(`${threads} asked for, but ${reasonOf(error)}`);
  }
}

function problem(found: string): Check {
  const advice = 'Try fewer by --workers. In a container, check its limits on processes and memory.';
  return { name: 'worker threads', status: 'problem', found, advice };
}

async function readyWorkers(config: TrainConfig): Promise<number> {
  const memory = memoryFor(config, DEFAULT_SET.shape);
  requireRoom(config.workers);
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
