import { Gauge, type Registry } from 'prom-client';
import type { CheckpointRecord, EvaluationRecord, RunEvent, StepObserver, StepRecord } from '../../train/observer.ts';
import { type AuditCounts, membershipIn, NOTHING_REMOTE, type WireCounts, wireIn } from './cluster-families.ts';
import { type NodeReader, nodesIn, workersIn } from './node-families.ts';
import { countsIn, durationsIn, latestIn } from './training-families.ts';

/** What stays the same through a run; shown as labels of lockstep_run_info. */
export interface RunInfo {
  /** The run's name: a label of every series. */
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

/** Where a process begins on a run. */
export interface AttemptStart {
  /** 1, and one more with each resume. */
  readonly attempt: number;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  /** Updates done before. */
  readonly step: number;
  /** Updates that the run is to do. */
  readonly iterations: number;
}

/** A run's Prometheus metrics (docs/metrics.md). The registry is the caller's, so that tests and processes with several runs keep apart. */
export class RunMetrics implements StepObserver {
  readonly #registry: Registry;
  readonly #batch: number;
  readonly #now: () => number;
  readonly #counts: ReturnType<typeof countsIn>;
  readonly #durations: ReturnType<typeof durationsIn>;
  readonly #latest: ReturnType<typeof latestIn>;
  readonly #workers: ReturnType<typeof workersIn>;
  readonly #membership: ReturnType<typeof membershipIn>;
  readonly #nodes = new Map<string, NodeReader>();
  #remote = NOTHING_REMOTE;

  /** @param now Unix time in milliseconds */
  constructor(registry: Registry, { run, ...info }: RunInfo, now: () => number = Date.now) {
    this.#registry = registry;
    this.#batch = info.batch;
    this.#now = now;
    registry.setDefaultLabels({ run });
    this.#counts = countsIn(registry);
    this.#durations = durationsIn(registry);
    this.#latest = latestIn(registry);
    this.#workers = workersIn(registry);
    this.#membership = membershipIn(registry);
    nodesIn(registry, this.#nodes);
    wireIn(registry, () => this.#remote);
    const { seed, batch, ...texts } = info;
    const labels = { ...texts, seed: String(seed), batch: String(batch) };
    new Gauge({
      name: 'lockstep_run_info',
      help: 'Always 1; its labels say which run this is.',
      labelNames: Object.keys(labels),
      registers: [registry],
    }).set(labels, 1);
  }

  /** A process begins on the run, or goes on with it. */
  begin({ attempt, startedAt, step, iterations }: AttemptStart): void {
    this.#latest.attempt.set(attempt);
    this.#latest.start.set(startedAt / 1000);
    this.#latest.step.set(step);
    this.#latest.iterations.set(iterations);
  }

  /** Takes a node's counts from where they are kept, at each scrape. */
  watchNode(node: string, read: NodeReader): void {
    this.#nodes.set(node, read);
  }

  /** It has been gone for long: its series end. */
  forgetNode(node: string): void {
    this.#nodes.delete(node);
    this.#workers.forget(node);
  }

  /** Takes what concerns remote nodes as a whole from where it is kept, at each scrape. */
  watchRemote(wire: WireCounts, audits: AuditCounts): void {
    this.#remote = { wire, audits };
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
    this.#latest.step.set(record.step);
    for (const { scalar, gauge } of this.#latest.scalars) {
      if (scalar.when === 'update') gauge.set(scalar.read(record));
    }
  }

  onEvaluation(record: EvaluationRecord): void {
    for (const { scalar, gauge } of this.#latest.scalars) {
      if (scalar.when === 'evaluation') gauge.set(scalar.read(record) ?? Number.NaN);
    }
  }

  onCheckpoint(record: CheckpointRecord): void {
    this.#latest.checkpoint.set(record.step);
    this.#latest.checkpointAt.set(this.#now() / 1000);
    this.#durations.checkpoint.observe(record.seconds);
  }

  onEvent(event: RunEvent): void {
    switch (event.kind) {
      case 'workers':
        this.#workers.set(event.node, event.counts);
        break;
      case 'joined':
        this.#membership.joins.inc();
        this.#membership.nodes.inc();
        break;
      case 'gone':
        this.#membership.leaves.inc({ reason: event.reason });
        this.#membership.nodes.dec();
    }
  }
}
