import { Gauge, type Registry } from 'prom-client';
import { collectedCounter, collectedGauge, type Sample } from './collected.ts';

const OUTCOMES = ['done', 'late', 'lost'] as const;
const REASONS = ['first', 'retry', 'duplicate'] as const;
const STATES = ['starting', 'ready'] as const;

/** What is kept of a node. What isn't known of it has no series. */
export interface NodeCounts {
  /** What became of the shards that it was given. */
  readonly shards: Readonly<Record<(typeof OUTCOMES)[number], number>>;
  /** Why it was given them. */
  readonly assigned: Readonly<Record<(typeof REASONS)[number], number>>;
  /** Of a node that sends them. */
  readonly partials?: number | undefined;
  /** Threads that crashed. */
  readonly workersLost: number;
  /** [threads]: samples that each computed gradients of. */
  readonly workerSamples: readonly number[];
  /** Resident memory, as long as it is there. */
  readonly memoryBytes?: number | undefined;
  /** Mean since the last report, as long as it is there. */
  readonly eventLoopLagSeconds?: number | undefined;
}

/** Reads a node's counts, at each scrape. */
export type NodeReader = () => NodeCounts;

export function workersIn(registry: Registry) {
  const gauge = new Gauge({
    name: 'lockstep_workers',
    help: 'Worker threads of a node by state: starting (also in place of a lost one) or ready.',
    labelNames: ['node', 'state'],
    registers: [registry],
  });
  return {
    set: (node: string, counts: Readonly<Record<(typeof STATES)[number], number>>): void => {
      for (const state of STATES) gauge.set({ node, state }, counts[state]);
    },
    forget: (node: string): void => {
      for (const state of STATES) gauge.remove({ node, state });
    },
  };
}

/** The families of single nodes; `nodes` are read by name at each scrape. */
export function nodesIn(registry: Registry, nodes: ReadonlyMap<string, NodeReader>): void {
  const each = (samplesOf: (counts: NodeCounts) => readonly Sample[]) => (): Sample[] =>
    [...nodes].flatMap(([node, read]) =>
      samplesOf(read()).map(({ labels, value }) => ({ labels: { node, ...labels }, value })),
    );
  shardsIn(registry, each);
  threadsIn(registry, each);
  vitalsIn(registry, each);
}

type Each = (samplesOf: (counts: NodeCounts) => readonly Sample[]) => () => Sample[];

function shardsIn(registry: Registry, each: Each): void {
  collectedCounter(registry, {
    name: 'lockstep_shards_total',
    help:
      'Shards that workers of a node were given, by outcome: done, late (others had computed it by then) or ' +
      'lost (with its worker).',
    labelNames: ['node', 'outcome'],
    samples: each(({ shards }) => OUTCOMES.map((outcome) => ({ labels: { outcome }, value: shards[outcome] }))),
  });
  collectedCounter(registry, {
    name: 'lockstep_shards_dealt_total',
    help:
      'Shards that a node was given, by reason: first (nobody had it), retry (somebody had failed at it or was lost with ' +
      'it) or duplicate (somebody slow is still at it, or the node is to be measured).',
    labelNames: ['node', 'reason'],
    samples: each(({ assigned }) => REASONS.map((reason) => ({ labels: { reason }, value: assigned[reason] }))),
  });
  collectedCounter(registry, {
    name: 'lockstep_partials_total',
    help: 'Partial gradient sums that a node has sent: one or two a step, since it adds up its own shards first.',
    labelNames: ['node'],
    samples: each(({ partials }) => known(partials)),
  });
}

function threadsIn(registry: Registry, each: Each): void {
  collectedCounter(registry, {
    name: 'lockstep_workers_lost_total',
    help: 'Worker threads of a node that crashed or hung, and were replaced.',
    labelNames: ['node'],
    samples: each(({ workersLost }) => known(workersLost)),
  });
  collectedCounter(registry, {
    name: 'lockstep_worker_samples_total',
    help: 'Training samples that a worker thread has computed gradients of, whether or not they were still wanted.',
    labelNames: ['node', 'worker'],
    samples: each(({ workerSamples }) =>
      workerSamples.map((value, worker) => ({ labels: { worker: String(worker) }, value })),
    ),
  });
}

function vitalsIn(registry: Registry, each: Each): void {
  collectedGauge(registry, {
    name: 'lockstep_node_memory_bytes',
    help: "Resident memory of a node's process, while it takes part.",
    labelNames: ['node'],
    samples: each(({ memoryBytes }) => known(memoryBytes)),
  });
  collectedGauge(registry, {
    name: 'lockstep_node_event_loop_lag_seconds',
    help:
      "By how much a node's event loop was late, on average since its last report. The coordinator's own lets its workers " +
      'hold it up, by 5 ms at the most.',
    labelNames: ['node'],
    samples: each(({ eventLoopLagSeconds }) => known(eventLoopLagSeconds)),
  });
}

function known(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}
