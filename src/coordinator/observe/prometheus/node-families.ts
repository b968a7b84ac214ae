import { Gauge, type Registry } from 'prom-client';
import { collectedCounter, collectedGauge, type Sample } from './collected.ts';

const OUTCOMES = ['done', 'late', 'lost'] as const;
const REASONS = ['first', 'retry', 'duplicate'] as const;
const STATES = ['starting', 'ready'] as const;

/** The counts of a node. An unknown one has no series. */
export interface NodeCounts {
  /** Shards that were assigned to it, by outcome. */
  readonly shards: Readonly<Record<(typeof OUTCOMES)[number], number>>;
  /** Shards that were assigned to it, by reason. */
  readonly assigned: Readonly<Record<(typeof REASONS)[number], number>>;
  /** Partial gradients sent; undefined: it sends none. */
  readonly partials?: number | undefined;
  /** Threads that crashed. */
  readonly workersLost: number;
  /** Samples whose gradients each thread computed, [threads]. */
  readonly workerSamples: readonly number[];
  /** Processor time of its process, of all threads. */
  readonly processorSeconds: number;
  /** Resident memory; undefined: it is gone. */
  readonly memoryBytes?: number | undefined;
  /** Mean since the last report; undefined: it is gone. */
  readonly eventLoopLagSeconds?: number | undefined;
}

/** Reads a node's counts, at each scrape. */
export type NodeReader = () => NodeCounts;

export function workerGauge(registry: Registry) {
  const gauge = new Gauge({
    name: 'lockstep_workers',
    help: 'Worker threads of a node by state: starting (also to replace a lost one) or ready.',
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

/** Registers the families of single nodes; `nodes`, by name, are read at each scrape. */
export function registerNodeFamilies(registry: Registry, nodes: ReadonlyMap<string, NodeReader>): void {
  const each = (samplesOf: (counts: NodeCounts) => readonly Sample[]) => (): Sample[] =>
    [...nodes].flatMap(([node, read]) =>
      samplesOf(read()).map(({ labels, value }) => ({ labels: { node, ...labels }, value })),
    );
  registerShardFamilies(registry, each);
  registerThreadFamilies(registry, each);
  registerProcessFamilies(registry, each);
}

type Each = (samplesOf: (counts: NodeCounts) => readonly Sample[]) => () => Sample[];

function registerShardFamilies(registry: Registry, each: Each): void {
  collectedCounter(registry, {
    name: 'lockstep_shards_total',
    help:
      'Shards that were assigned to a node, by outcome: done, late (another member had computed it by then) or ' +
      'lost (with its worker).',
    labelNames: ['node', 'outcome'],
    samples: each(({ shards }) => OUTCOMES.map((outcome) => ({ labels: { outcome }, value: shards[outcome] }))),
  });
  collectedCounter(registry, {
    name: 'lockstep_shards_dealt_total',
    help:
      'Shards that were assigned to a node, by reason: first (no attempt before), retry (an earlier attempt failed or was ' +
      'lost) or duplicate (a slow member still computes it, or the speed of the node is measured).',
    labelNames: ['node', 'reason'],
    samples: each(({ assigned }) => REASONS.map((reason) => ({ labels: { reason }, value: assigned[reason] }))),
  });
  collectedCounter(registry, {
    name: 'lockstep_partials_total',
    help: 'Partial gradients that a node has sent: one or two a step, since it adds up its own shards first.',
    labelNames: ['node'],
    samples: each(({ partials }) => known(partials)),
  });
}

function registerThreadFamilies(registry: Registry, each: Each): void {
  collectedCounter(registry, {
    name: 'lockstep_workers_lost_total',
    help: 'Worker threads of a node that crashed or hung, and were replaced.',
    labelNames: ['node'],
    samples: each(({ workersLost }) => known(workersLost)),
  });
  collectedCounter(registry, {
    name: 'lockstep_worker_samples_total',
    help: 'Training samples whose gradients a worker thread has computed, used or not.',
    labelNames: ['node', 'worker'],
    samples: each(({ workerSamples }) =>
      workerSamples.map((value, worker) => ({ labels: { worker: String(worker) }, value })),
    ),
  });
}

function registerProcessFamilies(registry: Registry, each: Each): void {
  collectedCounter(registry, {
    name: 'lockstep_node_processor_seconds_total',
    help: "Processor seconds that a node's process has used, user and system, of all its threads.",
    labelNames: ['node'],
    samples: each(({ processorSeconds }) => known(processorSeconds)),
  });
  collectedGauge(registry, {
    name: 'lockstep_node_memory_bytes',
    help: "Resident memory of a node's process, while it takes part.",
    labelNames: ['node'],
    samples: each(({ memoryBytes }) => known(memoryBytes)),
  });
  collectedGauge(registry, {
    name: 'lockstep_node_event_loop_lag_seconds',
    help:
      "Mean delay of a node's event loop since its last report. In the coordinator's own process, workers may delay it " +
      'by up to 5 ms.',
    labelNames: ['node'],
    samples: each(({ eventLoopLagSeconds }) => known(eventLoopLagSeconds)),
  });
}

function known(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}
