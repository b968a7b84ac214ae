import { Counter, Gauge, type Registry } from 'prom-client';
import { LEAVE_REASONS } from '../../train/observer.ts';
import { collectedCounter } from './collected.ts';

/** What went over the wire so far. */
export interface WireCounts {
  readonly bytes: Readonly<Record<'sent' | 'received', number>>;
  readonly reconnects: number;
  /** By the close code's name. */
  readonly rejected: ReadonlyMap<string, number>;
}

export type AuditCounts = Readonly<Record<'match' | 'mismatch', number>>;

/** What concerns remote nodes as a whole, kept elsewhere. */
export interface RemoteCounts {
  readonly wire: WireCounts;
  readonly audits: AuditCounts;
}

export const NOTHING_REMOTE: RemoteCounts = {
  wire: { bytes: { sent: 0, received: 0 }, reconnects: 0, rejected: new Map() },
  audits: { match: 0, mismatch: 0 },
};

/** Who takes part. */
export function membershipIn(registry: Registry) {
  const registers = [registry];
  const leaves = new Counter({
    name: 'lockstep_node_leaves_total',
    help:
      'Remote nodes that had taken part and went, by reason: left (they said so), lost (a crash, silence or a broken ' +
      'connection) or closed (by the coordinator, for what they did).',
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

/** What only remote nodes move from zero; `remote` is read at each scrape. */
export function wireIn(registry: Registry, remote: () => RemoteCounts): void {
  collectedCounter(registry, {
    name: 'lockstep_network_bytes_total',
    help: 'Bytes exchanged with remote nodes, by direction: sent or received.',
    labelNames: ['direction'],
    samples: () => Object.entries(remote().wire.bytes).map(([direction, value]) => ({ labels: { direction }, value })),
  });
  collectedCounter(registry, {
    name: 'lockstep_audits_total',
    help: 'Tree nodes that were computed twice and compared, by outcome: match or mismatch.',
    labelNames: ['outcome'],
    samples: () => Object.entries(remote().audits).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  collectedCounter(registry, {
    name: 'lockstep_reconnects_total',
    help: 'How often a remote node that had been connected before came back.',
    labelNames: [],
    samples: () => [{ labels: {}, value: remote().wire.reconnects }],
  });
  collectedCounter(registry, {
    name: 'lockstep_rejected_connections_total',
    help: 'Connections that the coordinator closed, by the name of the close code (docs/protocol.md).',
    labelNames: ['reason'],
    samples: () => [...remote().wire.rejected].map(([reason, value]) => ({ labels: { reason }, value })),
  });
}
