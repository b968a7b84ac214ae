import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { processes } from './cluster-processes.ts';
import { rounds } from './cluster-rounds.ts';
import { network, remoteWrite, trust } from './cluster-wire.ts';
import { frame } from './frame.ts';
import { graph, stat } from './panels.ts';
import { countInRange, curve, rate, scraped } from './queries.ts';

/** Nodes and their work, the network, checkpoints and processes. */
export function clusterDashboard(): Dashboard {
  const dashboard = frame({
    title: 'Lockstep / Cluster',
    uid: 'lockstep-cluster',
    description:
      'Nodes, workers, network, checkpoints and processes of a training run. The weights are the same whatever happens here.',
    runs: 'one',
  });
  const rows = {
    'Who is there': [...members(), ...changes()],
    'Who does what': [...work(), ...repeatedWork()],
    Rounds: rounds(),
    Trust: trust(),
    Network: network(),
    Checkpoints: checkpoints(),
    Processes: processes(),
    'Remote write': remoteWrite(),
  };
  for (const [title, panels] of Object.entries(rows)) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  return dashboard.build();
}

function members() {
  const workers = (state: string): string => `sum by (run, id) (${scraped('lockstep_workers', `state="${state}"`)})`;
  return [
    stat(
      {
        title: 'Remote nodes',
        description: 'Other processes, here or on other machines, that take part now. 0 without --listen.',
        unit: 'none',
        columns: 4,
        sparkline: true,
      },
      curve(`max by (run, id) (${scraped('lockstep_nodes')})`, 'nodes'),
    ),
    stat(
      {
        title: 'Workers ready',
        description: 'Threads that compute, those of all nodes together. At 0 the run waits.',
        unit: 'none',
        columns: 4,
        levels: ['red', [1, 'green']],
        sparkline: true,
      },
      curve(workers('ready'), 'ready'),
    ),
    stat(
      {
        title: 'Workers starting',
        description: 'Threads on their way, also in place of lost ones. It should be back at 0 within seconds.',
        unit: 'none',
        columns: 4,
        levels: ['green', [1, 'orange']],
        sparkline: true,
      },
      curve(workers('starting'), 'starting'),
    ),
  ];
}

function changes() {
  return [
    stat(
      {
        title: 'Joins',
        description: 'Remote nodes that became ready in the time shown, a node that came back included.',
        unit: 'none',
        columns: 4,
        decimals: 0,
      },
      curve(countInRange('lockstep_node_joins_total'), 'joins'),
    ),
    stat(
      {
        title: 'Nodes lost',
        description:
          'Remote nodes that crashed, fell silent or were closed in the time shown. Their work went elsewhere at once.',
        unit: 'none',
        columns: 4,
        decimals: 0,
        none: '0',
        levels: ['green', [0.5, 'orange']],
      },
      curve(countInRange('lockstep_node_leaves_total', 'reason!="left"'), 'lost'),
    ),
    stat(
      {
        title: 'Threads lost',
        description:
          'Worker threads that crashed and were replaced in the time shown. One may be bad luck; many are a fault.',
        unit: 'none',
        columns: 4,
        decimals: 0,
        none: '0',
        levels: ['green', [0.5, 'orange']],
      },
      curve(countInRange('lockstep_workers_lost_total'), 'lost'),
    ),
  ];
}

const BY_NODE = '{{node}}';

function work() {
  const samples = `sum by (node) (${rate('lockstep_worker_samples_total')})`;
  return [
    graph(
      {
        title: 'Workers by node',
        description: "Threads of each node that are ready; `local` is the coordinator's own process.",
        unit: 'none',
        columns: 8,
        stack: 'normal',
        min: 0,
      },
      curve(`sum by (node) (${scraped('lockstep_workers', 'state="ready"')})`, BY_NODE),
    ),
    graph(
      {
        title: 'Share of the work',
        description: 'Which node computed which share of all gradients. The scheduler gives more to whoever is faster.',
        unit: 'percentunit',
        columns: 8,
        stack: 'percent',
        min: 0,
        max: 1,
      },
      curve(samples, BY_NODE),
    ),
    graph(
      {
        title: 'Throughput by node',
        description:
          'Samples a second that the threads of each node computed gradients of, work that was done twice included.',
        unit: 'short',
        columns: 8,
        stack: 'normal',
        min: 0,
      },
      curve(samples, BY_NODE),
    ),
    graph(
      {
        title: 'Throughput by worker',
        description: 'The same by thread. A thread far below the others of its node has a busy processor.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(`sum by (node, worker) (${rate('lockstep_worker_samples_total')})`, '{{node}} {{worker}}'),
    ),
  ];
}

function repeatedWork() {
  const shards = (outcome: string): string =>
    `sum by (node) (${rate('lockstep_shards_total', `outcome="${outcome}"`)})`;
  const assigned = (reason: string): string =>
    `sum by (node) (${rate('lockstep_shards_dealt_total', `reason="${reason}"`)})`;
  return [
    graph(
      {
        title: 'Stragglers and losses',
        description:
          'Shards a second that came late (someone else had computed them by then) or were lost with a crashed thread or node. Both cost time, ' +
          'never the result.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(shards('late'), 'late {{node}}'),
      curve(shards('lost'), 'lost {{node}}'),
    ),
    graph(
      {
        title: 'Shards dispatched again',
        description:
          'Shards a second that were given to a node once more: retry, since someone failed at them; duplicate, since someone slow still has them ' +
          'or to check on a node.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(assigned('retry'), 'retry {{node}}'),
      curve(assigned('duplicate'), 'duplicate {{node}}'),
    ),
  ];
}

function checkpoints() {
  const seconds = `sum by (le) (${rate('lockstep_checkpoint_duration_seconds_bucket')})`;
  return [
    graph(
      {
        title: 'Age of the last checkpoint',
        description: 'What a crash of the coordinator would cost at worst: everything since then is computed again.',
        unit: 's',
        columns: 8,
        min: 0,
        levels: ['transparent', [900, 'orange']],
      },
      curve(`time() - max by (run, id) (${scraped('lockstep_checkpoint_last_timestamp_seconds')})`, 'age'),
    ),
    graph(
      {
        title: 'Time to write a checkpoint',
        description:
          'Seconds until a checkpoint is safe on the disk; steps go on meanwhile. Growth points at a slow disk.',
        unit: 's',
        columns: 8,
        min: 0,
      },
      curve(`histogram_quantile(0.5, ${seconds})`, 'p50'),
      curve(`histogram_quantile(0.99, ${seconds})`, 'p99'),
    ),
    graph(
      {
        title: 'Steps done and saved',
        description:
          'The step that the run is at, and the step of its last checkpoint. The gap is what a resumed run does again.',
        unit: 'short',
        columns: 8,
        min: 0,
      },
      curve(`max by (run, id) (${scraped('lockstep_step')})`, 'done'),
      curve(`max by (run, id) (${scraped('lockstep_checkpoint_last_step')})`, 'saved'),
    ),
  ];
}
