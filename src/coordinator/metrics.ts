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

export type ShardOutcome = 'done' | 'late' | 'lost';

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
  readonly #shards = new Map<string, Readonly<Record<ShardOutcome, number>>>();

  constructor(registry: Registry, info: RunInfo) {
    this.#registry = registry;
    this.#batch = info.batch;
    this.#counts = countsIn(registry);
    this.#durations = durationsIn(registry);
    this.#latest = latestIn(registry);
    remoteIn(registry);
    shardsIn(registry, this.#shards);
    const { seed, batch, ...texts } = info;
    const labels = { ...texts, seed: String(seed), batch: String(batch) };
    new Gauge({
      name: 'lockstep_run_info',
      help: 'Always 1; its labels say which run this is.',
      labelNames: Object.keys(labels),
      registers: [registry],
    }).set(labels, 1);
  }

  /** Takes the counts of a node's shards from where they are kept, at each scrape. */
  watchShards(node: string, counts: Readonly<Record<ShardOutcome, number>>): void {
    this.#shards.set(node, counts);
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

function shardsIn(registry: Registry, nodes: ReadonlyMap<string, Readonly<Record<ShardOutcome, number>>>): void {
  new Counter({
    name: 'lockstep_shards_total',
    help:
      'Shards that workers of a node were given, by outcome: done, late (others had computed it by then) or ' +
      'lost (with its worker).',
    labelNames: ['node', 'outcome'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [node, counts] of nodes) {
        for (const [outcome, count] of Object.entries(counts)) this.inc({ node, outcome }, count);
      }
    },
  });
}

/** What only remote nodes move from zero. */
function remoteIn(registry: Registry): void {
  const registers = [registry];
  const bytes = new Counter({
    name: 'lockstep_network_bytes_total',
    help: 'Bytes exchanged with remote nodes, by direction: sent or received.',
    labelNames: ['direction'],
    registers,
  });
  for (const direction of ['sent', 'received']) bytes.inc({ direction }, 0);
  const audits = new Counter({
    name: 'lockstep_audits_total',
    help: 'Results of remote nodes that were computed again to check them, by outcome: match or mismatch.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['match', 'mismatch']) audits.inc({ outcome }, 0);
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
