import { Gauge, type Registry } from 'prom-client';
import type { OwnValues } from '../../../shared/live/own-scalars.ts';
import type { CheckpointRecord, EvaluationRecord, RunEvent, StepObserver, StepRecord } from '../../train/observer.ts';
import {
  type AuditCounts,
  membershipFamilies,
  NOTHING_REMOTE,
  registerWireFamilies,
  type WireCounts,
} from './cluster-families.ts';
import { type NodeReader, registerNodeFamilies, workerGauge } from './node-families.ts';
import { durationHistograms, lastValueGauges, ownScalarGauge, stepCounters } from './training-families.ts';

/** The constants of a run: its name and its id are labels of every series, the others of lockstep_run_info. */
export interface RunInfo {
  /** The run's name. */
  readonly run: string;
  /** Tells runs of one name apart. */
  readonly id: string;
  readonly model: string;
  readonly dataset: string;
  readonly backend: string;
  /** The code that computes on the coordinator. */
  readonly kernel: string;
  readonly optimizer: string;
  readonly seed: number;
  /** Samples of one step. */
  readonly batch: number;
  readonly version: string;
  /** Native code isn't used, since it computes other bits than WebAssembly on this machine. */
  readonly kernelDiffers?: boolean;
}

/** The state in which a process begins or continues a run. */
export interface AttemptStart {
  /** 1, plus one for each resume. */
  readonly attempt: number;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  /** Updates done before this attempt. */
  readonly step: number;
  /** Updates that the run is to do. */
  readonly iterations: number;
  readonly replicas: number;
  /** Local steps of a round. */
  readonly syncEvery: number;
}

/** A run's Prometheus metrics (docs/metrics.md). The registry is the caller's, so that tests and processes with several runs keep apart. */
export class RunMetrics implements StepObserver {
  readonly #registry: Registry;
  readonly #batch: number;
  readonly #now: () => number;
  readonly #counts: ReturnType<typeof stepCounters>;
  readonly #durations: ReturnType<typeof durationHistograms>;
  readonly #gauges: ReturnType<typeof lastValueGauges>;
  readonly #workers: ReturnType<typeof workerGauge>;
  readonly #membership: ReturnType<typeof membershipFamilies>;
  #own: ReturnType<typeof ownScalarGauge> | undefined;
  readonly #nodes = new Map<string, NodeReader>();
  #remote = NOTHING_REMOTE;

  /** @param now Unix time in milliseconds */
  constructor(registry: Registry, { run, id, kernelDiffers = false, ...info }: RunInfo, now: () => number = Date.now) {
    this.#registry = registry;
    this.#batch = info.batch;
    this.#now = now;
    registry.setDefaultLabels({ run, id });
    this.#counts = stepCounters(registry);
    this.#durations = durationHistograms(registry);
    this.#gauges = lastValueGauges(registry);
    this.#workers = workerGauge(registry);
    this.#membership = membershipFamilies(registry);
    registerNodeFamilies(registry, this.#nodes);
    registerWireFamilies(registry, () => this.#remote);
    const { seed, batch, ...texts } = info;
    const labels = { ...texts, seed: String(seed), batch: String(batch) };
    new Gauge({
      name: 'lockstep_run_info',
      help: 'Always 1; its labels say which run this is.',
      labelNames: Object.keys(labels),
      registers: [registry],
    }).set(labels, 1);
    new Gauge({
      name: 'lockstep_kernel_differs',
      help: 'Whether the native kernel computed other bits than WebAssembly here, so that it is not used.',
      registers: [registry],
    }).set(Number(kernelDiffers));
  }

  /** A process begins or continues the run. */
  begin({ attempt, startedAt, step, iterations, replicas, syncEvery }: AttemptStart): void {
    this.#gauges.replicas.set(replicas);
    this.#gauges.roundSteps.set(replicas === 1 ? 1 : syncEvery);
    this.#gauges.attempt.set(attempt);
    this.#gauges.start.set(startedAt / 1000);
    this.#gauges.step.set(step);
    this.#gauges.iterations.set(iterations);
  }

  /** Reads a node's counts at each scrape. */
  watchNode(node: string, read: NodeReader): void {
    this.#nodes.set(node, read);
  }

  /** Ends the series of a node that has been gone for long. */
  forgetNode(node: string): void {
    this.#nodes.delete(node);
    this.#workers.forget(node);
  }

  /** Reads the counts of all remote nodes together at each scrape. */
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
    this.#gauges.step.set(record.step);
    for (const { scalar, gauge } of this.#gauges.scalars) {
      if (scalar.when === 'update') setOrRemove(gauge, scalar.read(record));
    }
    this.#setOwn(record.scalars ?? {});
  }

  #setOwn(scalars: OwnValues): void {
    const names = Object.keys(scalars);
    if (names.length > 0) this.#own ??= ownScalarGauge(this.#registry);
    this.#own?.reset();
    for (const name of names) this.#own?.set({ name }, scalars[name] as number);
  }

  onEvaluation(record: EvaluationRecord): void {
    for (const { scalar, gauge } of this.#gauges.scalars) {
      if (scalar.when === 'evaluation') setOrRemove(gauge, scalar.read(record));
    }
  }

  onCheckpoint(record: CheckpointRecord): void {
    this.#gauges.checkpoint.set(record.step);
    this.#gauges.checkpointAt.set(this.#now() / 1000);
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

/** A value that the model doesn't have has no series. */
function setOrRemove(gauge: Gauge, value: number | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(value);
}
