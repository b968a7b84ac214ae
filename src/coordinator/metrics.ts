import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CheckpointRecord, EvaluationRecord, RunEvent, StepObserver, StepRecord } from './observer.ts';

/** What stays the same through a run; shown as labels of lockstep_run_info. */
export interface RunInfo {
  readonly run: string;
  readonly model: string;
  readonly dataset: string;
  readonly backend: string;
  readonly optimizer: string;
  readonly seed: number;
  /** Samples of one step. */
  readonly batch: number;
  readonly version: string;
}

const OUTCOMES = ['done', 'late', 'lost'] as const;

/** What became of the shards that a node was given; of one that sends partials, how many those were. */
export type NodeCounts = Readonly<Record<(typeof OUTCOMES)[number], number>> & { readonly partials?: number };

/** What went over the wire so far. */
export interface WireCounts {
  readonly bytes: Readonly<Record<'sent' | 'received', number>>;
  readonly reconnects: number;
  /** By the close code's name. */
  readonly rejected: ReadonlyMap<string, number>;
}

export type AuditCounts = Readonly<Record<'match' | 'mismatch', number>>;

/** Seconds, as below. Phases take from microseconds up to all of the step. */
const PHASE_BUCKETS = [1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];
const STEP_BUCKETS = [0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const CHECKPOINT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** A run's Prometheus metrics. The registry is the caller's, so that tests and processes with several runs keep apart. */
export class RunMetrics implements StepObserver {
  readonly #registry: Registry;
  readonly #batch: number;
  readonly #counts: ReturnType<typeof countsIn>;
  readonly #durations: ReturnType<typeof durationsIn>;
  readonly #latest: ReturnType<typeof latestIn>;
  readonly #nodes = new Map<string, NodeCounts>();
  readonly #remote: { wire: WireCounts; audits: AuditCounts } = {
    wire: { bytes: { sent: 0, received: 0 }, reconnects: 0, rejected: new Map() },
    audits: { match: 0, mismatch: 0 },
  };

  constructor(registry: Registry, info: RunInfo) {
    this.#registry = registry;
    this.#batch = info.batch;
    this.#counts = countsIn(registry);
    this.#durations = durationsIn(registry);
    this.#latest = latestIn(registry);
    nodesIn(registry, this.#nodes);
    wireIn(registry, this.#remote);
    const { seed, batch, ...texts } = info;
    const labels = { ...texts, seed: String(seed), batch: String(batch) };
    new Gauge({
      name: 'lockstep_run_info',
      help: 'Always 1; its labels say which run this is.',
      labelNames: Object.keys(labels),
      registers: [registry],
    }).set(labels, 1);
  }

  /** Takes a node's counts from where they are kept, at each scrape. */
  watchNode(node: string, counts: NodeCounts): void {
    this.#nodes.set(node, counts);
  }

  /** It has been gone for long: its series end. */
  forgetNode(node: string): void {
    this.#nodes.delete(node);
    for (const state of ['starting', 'ready']) this.#counts.workers.remove({ node, state });
  }

  /** Takes what concerns remote nodes as a whole from where it is kept, at each scrape. */
  watchRemote(wire: WireCounts, audits: AuditCounts): void {
    Object.assign(this.#remote, { wire, audits });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  onStep(record: StepRecord): void {
    this.#counts.steps.inc();
    this.#counts.samples.inc(this.#batch);
    const { total, phases = {} } = record.timings;
    this.#durations.step.observe(total);
    for (const phase in phases) this.#durations.phase.observe({ phase }, phases[phase] as number);
    this.#latest.trainLoss.set(record.loss);
    this.#latest.trainAccuracy.set(record.accuracy);
    this.#latest.learningRate.set(record.learningRate);
    this.#latest.gradientNorm.set(record.gradientNorm);
  }

  onEvaluation(record: EvaluationRecord): void {
    this.#latest.testAccuracy.set(record.testAccuracy);
    this.#latest.testLoss.set(record.testLoss);
  }

  onCheckpoint(record: CheckpointRecord): void {
    this.#latest.checkpoint.set(record.step);
    this.#durations.checkpoint.observe(record.seconds);
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'workers') return;
    for (const [state, count] of Object.entries(event.counts)) {
      this.#counts.workers.set({ node: event.node, state }, count);
    }
  }
}

function countsIn(registry: Registry) {
  const registers = [registry];
  return {
    steps: new Counter({ name: 'lockstep_steps_total', help: 'Optimizer steps done by this process.', registers }),
    samples: new Counter({
      name: 'lockstep_samples_total',
      help: 'Training samples used by the steps that this process did.',
      registers,
    }),
    workers: new Gauge({
      name: 'lockstep_workers',
      help: 'Worker threads of a node by state: starting (also in place of a lost one) or ready.',
      labelNames: ['node', 'state'],
      registers,
    }),
  };
}

function nodesIn(registry: Registry, nodes: ReadonlyMap<string, NodeCounts>): void {
  counterOf(registry, {
    name: 'lockstep_shards_total',
    help:
      'Shards that workers of a node were given, by outcome: done, late (others had computed it by then) or ' +
      'lost (with its worker).',
    labelNames: ['node', 'outcome'],
    samples: () =>
      [...nodes].flatMap(([node, counts]) =>
        OUTCOMES.map((outcome) => ({ labels: { node, outcome }, value: counts[outcome] })),
      ),
  });
  counterOf(registry, {
    name: 'lockstep_partials_total',
    help: 'Partial gradient sums that a node has sent: one or two a step, since it adds up its own shards first.',
    labelNames: ['node'],
    samples: () =>
      [...nodes].flatMap(([node, { partials }]) =>
        partials === undefined ? [] : [{ labels: { node }, value: partials }],
      ),
  });
}

/** What only remote nodes move from zero. */
function wireIn(registry: Registry, remote: { readonly wire: WireCounts; readonly audits: AuditCounts }): void {
  counterOf(registry, {
    name: 'lockstep_network_bytes_total',
    help: 'Bytes exchanged with remote nodes, by direction: sent or received.',
    labelNames: ['direction'],
    samples: () => Object.entries(remote.wire.bytes).map(([direction, value]) => ({ labels: { direction }, value })),
  });
  counterOf(registry, {
    name: 'lockstep_audits_total',
    help: 'Tree nodes that were computed twice and compared, by outcome: match or mismatch.',
    labelNames: ['outcome'],
    samples: () => Object.entries(remote.audits).map(([outcome, value]) => ({ labels: { outcome }, value })),
  });
  counterOf(registry, {
    name: 'lockstep_reconnects_total',
    help: 'How often a remote node that had been connected before came back.',
    labelNames: [],
    samples: () => [{ labels: {}, value: remote.wire.reconnects }],
  });
  counterOf(registry, {
    name: 'lockstep_rejected_connections_total',
    help: 'Connections that the coordinator closed, by the name of the close code (docs/protocol.md).',
    labelNames: ['reason'],
    samples: () => [...remote.wire.rejected].map(([reason, value]) => ({ labels: { reason }, value })),
  });
}

interface KeptCounter {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly samples: () => readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** A counter whose values are kept elsewhere and taken from there at each scrape. */
function counterOf(registry: Registry, { name, help, labelNames, samples }: KeptCounter): void {
  new Counter({
    ...{ name, help, labelNames: [...labelNames], registers: [registry] },
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.inc(labels, value);
    },
  });
}

function durationsIn(registry: Registry) {
  const registers = [registry];
  return {
    step: new Histogram({
      name: 'lockstep_step_duration_seconds',
      help: 'Time of a step, from drawing its samples to the updated weights, without evaluation and checkpoint.',
      buckets: STEP_BUCKETS,
      registers,
    }),
    phase: new Histogram({
      name: 'lockstep_phase_duration_seconds',
      help: 'Time of each phase of a step, such as compute (the gradients) and update (the optimizer).',
      labelNames: ['phase'],
      buckets: PHASE_BUCKETS,
      registers,
    }),
    checkpoint: new Histogram({
      name: 'lockstep_checkpoint_duration_seconds',
      help: 'Time to write a checkpoint to disk; steps go on meanwhile.',
      buckets: CHECKPOINT_BUCKETS,
      registers,
    }),
  };
}

/** What holds of the last step, evaluation or checkpoint. */
function latestIn(registry: Registry) {
  const gauge = (name: string, help: string): Gauge => {
    const made = new Gauge({ name, help, registers: [registry] });
    // A gauge without labels starts at 0, which would read as a perfect loss.
    made.remove();
    return made;
  };
  return {
    trainLoss: gauge('lockstep_train_loss', "Mean loss over the last step's batch."),
    trainAccuracy: gauge(
      'lockstep_train_accuracy_ratio',
      "Share of the last step's batch that was classified right, 0 to 1.",
    ),
    testAccuracy: gauge(
      'lockstep_test_accuracy_ratio',
      'Share of the test set that was classified right at the last evaluation, 0 to 1.',
    ),
    testLoss: gauge('lockstep_test_loss', 'Mean loss over the test set at the last evaluation.'),
    learningRate: gauge('lockstep_learning_rate', 'Learning rate of the last step.'),
    gradientNorm: gauge('lockstep_gradient_norm', "L2 norm of the last step's mean gradient, before any clipping."),
    checkpoint: gauge('lockstep_checkpoint_last_step', 'Step after which the last checkpoint was written.'),
  };
}
