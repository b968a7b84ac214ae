import { graph, stat } from './panels.ts';
import { countInRange, curve, rate, scraped } from './queries.ts';

/** Audits, and connections that were rejected. */
export function trust() {
  return [...incidents(), ...audits()];
}

function incidents() {
  return [
    stat(
      {
        title: 'Audit mismatches',
        description:
          'Times in the time shown that a node sent another result than the one it was compared with. The coordinator then computes it itself and closes ' +
          'whoever was wrong: the weights stay right, but look at that machine.',
        unit: 'none',
        columns: 4,
        decimals: 0,
        tall: true,
        levels: ['green', [0.5, 'red']],
      },
      curve(countInRange('lockstep_audits_total', 'outcome="mismatch"'), 'mismatches'),
    ),
    stat(
      {
        title: 'Reconnects',
        description: 'How often a node that had been there before came back in the time shown.',
        unit: 'none',
        columns: 4,
        decimals: 0,
        tall: true,
        levels: ['green', [0.5, 'orange']],
      },
      curve(countInRange('lockstep_reconnects_total'), 'reconnects'),
    ),
  ];
}

function audits() {
  return [
    graph(
      {
        title: 'Audits',
        description: 'Results a second that were computed twice, by different nodes, and compared bit by bit.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(`sum by (outcome) (${rate('lockstep_audits_total')})`, '{{outcome}}'),
    ),
    graph(
      {
        title: 'Connections closed by the coordinator',
        description:
          'By the name of the close code, in the last minutes. Wrong tokens and other builds show here; connections without the token never get further.',
        unit: 'none',
        columns: 8,
        min: 0,
      },
      curve(
        `sum by (reason) (increase(${scraped('lockstep_rejected_connections_total')}[$__rate_interval]))`,
        '{{reason}}',
      ),
    ),
  ];
}

export function network() {
  const bytes = (direction: string): string =>
    `sum by (run, id) (${rate('lockstep_network_bytes_total', `direction="${direction}"`)})`;
  return [
    graph(
      {
        title: 'Traffic with nodes',
        description:
          'Bytes a second from and to remote nodes, as the coordinator counts them. 0 while nobody else takes part.',
        unit: 'Bps',
        columns: 8,
        min: 0,
      },
      curve(bytes('sent'), 'sent'),
      curve(bytes('received'), 'received'),
    ),
    graph(
      {
        title: 'Traffic of a step',
        description: 'Bytes of a step: the weights go to each node once, and one or two gradients come back from it.',
        unit: 'bytes',
        columns: 8,
        min: 0,
      },
      curve(
        `(${bytes('sent')} + ${bytes('received')}) / (sum by (run, id) (${rate('lockstep_steps_total')}) > 0)`,
        'a step',
      ),
    ),
    graph(
      {
        title: 'Partial gradients by node',
        description:
          'Sums of gradients a second that came from each node: one or two a step, since a node adds up its own first.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(`sum by (node) (${rate('lockstep_partials_total')})`, '{{node}}'),
    ),
  ];
}

/** Empty without --remote-write. */
export function remoteWrite() {
  return [
    graph(
      {
        title: 'Samples sent to Prometheus',
        description:
          'Samples a second that --remote-write has sent and dropped, six or more a step. Dropped ones mean that Prometheus was away or too slow for long: the curves have holes ' +
          'then, training itself is never held up. Empty without --remote-write.',
        unit: 'short',
        columns: 12,
        min: 0,
      },
      curve(`sum by (outcome) (${rate('lockstep_remote_write_samples_total')})`, '{{outcome}}'),
    ),
    graph(
      {
        title: 'Samples waiting to be sent',
        description:
          'Samples in the queue of --remote-write. It is bounded; where it stays high, Prometheus is too slow. Empty without --remote-write.',
        unit: 'short',
        columns: 12,
        min: 0,
      },
      curve(`max by (run, id) (${scraped('lockstep_remote_write_pending_samples')})`, 'waiting'),
    ),
  ];
}
