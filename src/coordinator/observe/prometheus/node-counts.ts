import type { EventLoopLag } from '../../../shared/util/event-loop-lag.ts';
import { processorSeconds } from '../../../shared/util/processors.ts';
import type { LocalPool } from '../../../worker/pool/pool.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { ShardCounts } from '../../cluster/member.ts';
import type { NodeFigures } from '../../cluster/self-report.ts';
import type { NodeCounts } from './node-families.ts';

const NONE = { done: 0, late: 0, lost: 0, first: 0, retry: 0, duplicate: 0 };

/**
 * Shards of this process's threads by outcome and by reason. A cluster assigns shards to the local pool as one member, and the pool
 * assigns them to its threads: retries and duplicates inside the pool are added.
 */
export function localWork(pool: LocalPool | undefined, cluster: Cluster | undefined) {
  const own = { shards: pool?.shardCounts ?? NONE, assigned: pool?.attemptCounts ?? NONE };
  const given = cluster?.shardCounts.get('local');
  if (given === undefined) return own;
  return {
    shards: { done: given.done, late: given.late, lost: given.lost + own.shards.lost },
    assigned: {
      first: given.assigned.first,
      retry: given.assigned.retry + own.assigned.retry,
      duplicate: given.assigned.duplicate + own.assigned.duplicate,
    },
  };
}

/** The counts of this process as a node, also without threads. Resets the lag, so only one reader may call it. */
export function localCounts(pool: LocalPool | undefined, cluster: Cluster | undefined, lag: EventLoopLag): NodeCounts {
  return {
    ...localWork(pool, cluster),
    partials: cluster?.shardCounts.get('local')?.partials,
    workersLost: pool?.workersLost ?? 0,
    workerSamples: pool?.workerSamples ?? [],
    ...ownProcess(),
    eventLoopLagSeconds: lag.take(),
  };
}

/** What this process uses. */
export function ownProcess() {
  return { memoryBytes: process.memoryUsage.rss(), processorSeconds: processorSeconds() };
}

/** The counts of a remote node: what was assigned to it, and what it reports. */
export function remoteCounts(shards: ShardCounts, { vitals, ...figures }: NodeFigures): NodeCounts {
  return { shards, assigned: shards.assigned, partials: shards.partials, ...figures, ...vitals };
}
