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

const STEP_BUCKETS = [0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** A run's Prometheus metrics. The registry is the caller's, so that tests and processes with several runs keep apart. */
export class RunMetrics implements StepObserver {
  readonly #registry: Registry;
  readonly #batch: number;
  readonly #steps: Counter;
  readonly #samples: Counter;
  readonly #stepDuration: Histogram;
  readonly #workers: Gauge<'node' | 'state'>;
  readonly #trainLoss: Gauge;
  readonly #trainAccuracy: Gauge;
  readonly #testAccuracy: Gauge;
  readonly #testLoss: Gauge;
  readonly #learningRate: Gauge;
  readonly #gradientNorm: Gauge;
  readonly #lastCheckpoint: Gauge;

  constructor(registry: Registry, info: RunInfo) {
    const registers = [registry];
    const gauge = (name: string, help: string): Gauge => {
      const made = new Gauge({ name, help, registers });
      // A gauge without labels starts at 0, which would read as a perfect loss.
      made.remove();
      return made;
    };
    this.#registry = registry;
    this.#batch = info.batch;
    this.#steps = new Counter({
      name: 'lockstep_steps_total',
      help: 'Optimizer steps done by this process.',
      registers,
    });
    this.#samples = new Counter({
      name: 'lockstep_samples_total',
      help: 'Training samples used by the steps that this process did.',
      registers,
    });
    this.#stepDuration = new Histogram({
      name: 'lockstep_step_duration_seconds',
      help: 'Time of a step, from drawing its samples to the updated weights, without evaluation and checkpoint.',
      buckets: STEP_BUCKETS,
      registers,
    });
    this.#workers = new Gauge({
      name: 'lockstep_workers',
      help: 'Worker threads of a node by state: starting (also in place of a lost one) or ready.',
      labelNames: ['node', 'state'],
      registers,
    });
    this.#trainLoss = gauge('lockstep_train_loss', "Mean loss over the last step's batch.");
    this.#trainAccuracy = gauge(
      'lockstep_train_accuracy_ratio',
      "Share of the last step's batch that was classified right, 0 to 1.",
    );
    this.#testAccuracy = gauge(
      'lockstep_test_accuracy_ratio',
      'Share of the test set that was classified right at the last evaluation, 0 to 1.',
    );
    this.#testLoss = gauge('lockstep_test_loss', 'Mean loss over the test set at the last evaluation.');
    this.#learningRate = gauge('lockstep_learning_rate', 'Learning rate of the last step.');
    this.#gradientNorm = gauge(
      'lockstep_gradient_norm',
      "L2 norm of the last step's mean gradient, before any clipping.",
    );
    this.#lastCheckpoint = gauge('lockstep_checkpoint_last_step', 'Step after which the last checkpoint was written.');
    const { seed, batch, ...texts } = info;
    const labels = { ...texts, seed: String(seed), batch: String(batch) };
    new Gauge({
      name: 'lockstep_run_info',
      help: 'Always 1; its labels say which run this is.',
      labelNames: Object.keys(labels),
      registers,
    }).set(labels, 1);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  onStep(record: StepRecord): void {
    this.#steps.inc();
    this.#samples.inc(this.#batch);
    this.#stepDuration.observe(record.timings.total);
    this.#trainLoss.set(record.loss);
    this.#trainAccuracy.set(record.accuracy);
    this.#learningRate.set(record.learningRate);
    this.#gradientNorm.set(record.gradientNorm);
  }

  onEvaluation(record: EvaluationRecord): void {
    this.#testAccuracy.set(record.testAccuracy);
    this.#testLoss.set(record.testLoss);
  }

  onCheckpoint(record: CheckpointRecord): void {
    this.#lastCheckpoint.set(record.step);
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'workers') return;
    for (const [state, count] of Object.entries(event.counts)) {
      this.#workers.set({ node: event.node, state }, count);
    }
  }
}
