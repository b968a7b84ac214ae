import type { EventLoopLag } from '../../../shared/util/event-loop-lag.ts';
import type { LocalPool } from '../../../worker/pool/pool.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import type { ShardCounts } from '../../cluster/member.ts';
import type { NodeFigures } from '../../cluster/self-report.ts';
import type { NodeCounts } from './node-families.ts';

const NONE = { done: 0, late: 0, lost: 0, first: 0, retry: 0, duplicate: 0 };

/**
 * What became of the shards of this process's threads, and why they were dealt. In a cluster, shards are dealt to its threads as a
 * whole, and by them among each other: what they did again there counts besides.
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

/** What the metrics say of this process as a node, which it is without threads too. Takes the lag: for one reader alone. */
export function localCounts(pool: LocalPool | undefined, cluster: Cluster | undefined, lag: EventLoopLag): NodeCounts {
  return {
    ...localWork(pool, cluster),
    partials: cluster?.shardCounts.get('local')?.partials,
    workersLost: pool?.workersLost ?? 0,
    workerSamples: pool?.workerSamples ?? [],
    memoryBytes: process.memoryUsage.rss(),
    eventLoopLagSeconds: lag.take(),
  };
}

/** What the metrics say of a remote node: what it was given, and what it tells of itself. */
export function remoteCounts(shards: ShardCounts, { workersLost, workerSamples, vitals }: NodeFigures): NodeCounts {
  return { shards, assigned: shards.assigned, partials: shards.partials, workersLost, workerSamples, ...vitals };
}
