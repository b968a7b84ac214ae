import { Counter, Gauge, type Registry } from 'prom-client';
import { LEAVE_REASONS } from '../../train/observer.ts';
import { collectedCounter } from './collected.ts';

/** Traffic with remote nodes so far. */
export interface WireCounts {
  readonly bytes: Readonly<Record<'sent' | 'received', number>>;
  readonly reconnects: number;
  /** Connections by the name of the close code. */
  readonly rejected: ReadonlyMap<string, number>;
}

export type AuditCounts = Readonly<Record<'match' | 'mismatch', number>>;

/** Counts of all remote nodes together. */
export interface RemoteCounts {
  readonly wire: WireCounts;
  readonly audits: AuditCounts;
}

export const NOTHING_REMOTE: RemoteCounts = {
  wire: { bytes: { sent: 0, received: 0 }, reconnects: 0, rejected: new Map() },
  audits: { match: 0, mismatch: 0 },
};

/** The families of remote nodes that join and leave. */
export function membershipFamilies(registry: Registry) {
  const registers = [registry];
  const leaves = new Counter({
    name: 'lockstep_node_leaves_total',
    help:
      'Remote nodes that took part and left, by reason: left (the node said so), lost (a crash, silence or a broken ' +
      'connection) or closed (by the coordinator, because the node broke a rule).',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of LEAVE_REASONS) leaves.inc({ reason }, 0);
  return {
    leaves,
    nodes: new Gauge({ name: 'lockstep_nodes', help: 'Remote nodes that take part now.', registers }),
    joins: new Counter({
      name: 'lockstep_node_joins_total',
      help: 'How often a remote node became ready to take part.',
      registers,
    }),
  };
}

/** The families that stay at zero without remote nodes; `remote` is read at each scrape. */
export function registerWireFamilies(registry: Registry, remote: () => RemoteCounts): void {
  collectedCounter(registry, {
    name: 'lockstep_network_bytes_total',
    help: 'Bytes exchanged with remote nodes, by direction: sent or received.',
    labelNames: ['direction'],
    samples: () => Object.entries(remote().wire.bytes).map(([direction, value]) => ({ labels: { direction }, value })),
  });
  collectedCounter(registry, {
    name: 'lockstep_audits_total',
    help: 'Shard ranges that were computed twice and compared, by outcome: match or mismatch.',
    labelNames: ['outcome'],
    samples: () => Object.entries(remote().audits).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  collectedCounter(registry, {
    name: 'lockstep_reconnects_total',
    help: 'How often a remote node that had been connected before connected again.',
    labelNames: [],
    samples: () => [{ labels: {}, value: remote().wire.reconnects }],
  });
  collectedCounter(registry, {
    name: 'lockstep_rejected_connections_total',
    help: 'Connections that the coordinator closed, by the name of the close code.',
    labelNames: ['reason'],
    samples: () => [...remote().wire.rejected].map(([reason, value]) => ({ labels: { reason }, value })),
  });
}
