import {
  type EvaluatedChunks,
  EvaluationChunks,
  type EvaluationSizes,
  joinChunks,
} from '../../shared/engine/evaluation.ts';
import type {
  Evaluation,
  Executor,
  PartialGradient,
  PartialState,
  RoundResult,
  RoundWork,
  StepPhases,
  StepResult,
  StepUnderWay,
  StepWork,
  WeightsVersion,
} from '../../shared/engine/executor.ts';
import { addLosses } from '../../shared/engine/losses.ts';
import type { ReplicaOptions } from '../../shared/engine/replica.ts';
import { BlockUpdater, type Update, UpdateRecord } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { Job } from '../../shared/scheduler/job.ts';
import type { Auditor, Delivered } from './auditor.ts';
import { Deliveries, type Delivery, gradientBuffers, stateBuffers } from './deliveries.ts';
import type { GradientAuditor } from './gradient-auditor.ts';
import type { AssignmentResult, Member } from './member.ts';
import { Members, type MembersOptions } from './members.ts';
import type { ReplicaAuditor } from './replica-auditor.ts';

export interface ClusterOptions extends MembersOptions {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  /** An instance for the coordinator's own thread. */
  readonly kernel: KernelExports;
  readonly auditor: GradientAuditor;
  readonly layout: ModelLayout;
  /** Shards of a step. */
  readonly shards: number;
  /** Undefined if the job isn't cut into replicas. */
  readonly rounds: { readonly replicas: ReplicaOptions; readonly auditor: ReplicaAuditor } | undefined;
  readonly evaluated: EvaluationSizes;
}

/**
 * Members that may come and go at any moment, as one executor: each step's tree, or that over the replicas, is split over those who are
 * there, by their measured speeds; what a member fails at, or is slow at, goes to others. Reduces and updates in the coordinator's own
 * thread.
 */
export class Cluster implements Executor {
  /** The next step needs the weights that the one before it makes. */
  readonly depth = 1;
  readonly #options: ClusterOptions;
  readonly #gradients: Deliveries<PartialGradient>;
  readonly #states: Deliveries<PartialState> | undefined;
  readonly #record: UpdateRecord;
  readonly #updater: BlockUpdater;
  readonly #members: Members;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { rounds } = options;
    const { gradients, states, record, scratch } = Cluster.allocate(options.memory, { ...options, ...rounds });
    this.#gradients = new Deliveries(gradients, options.auditor);
    this.#states = rounds && states && new Deliveries(states, rounds.auditor);
    this.#record = record;
    this.#updater = new BlockUpdater(options.kernel, record.plan, scratch);
    this.#members = new Members(options, (member, job, result) => this.#accept(member, job, result));
  }

  static allocate(
    memory: Layout,
    { layout, shards, replicas }: Pick<ClusterOptions, 'layout' | 'shards'> & { replicas?: ReplicaOptions | undefined },
  ) {
    return {
      gradients: gradientBuffers(memory, layout.parameters, replicas === undefined ? shards : 0),
      states: replicas && stateBuffers(memory, replicas.shape, replicas.replicas),
      record: UpdateRecord.allocate(memory, layout, shards),
      scratch: BlockUpdater.scratch(memory, shards),
    };
  }

  /** Comparisons of what was computed twice. */
  get auditCounts(): Auditor<never>['counts'] {
    return (this.#options.rounds ?? this.#options).auditor.counts;
  }

  /** What became of the shards that each member was given, by its name. */
  get shardCounts(): Members['shardCounts'] {
    return this.#members.shardCounts;
  }

  /** From now on the member is given work. */
  join(member: Member): void {
    this.#members.join(member);
  }

  /** The member gets no more work; what it is at may still come. */
  leave(member: Member): void {
    this.#members.leave(member);
  }

  /** Resolves once somebody is there to compute, or the run is stopped. */
  ready(): Promise<void> {
    return this.#members.ready();
  }

  begin(work: StepWork): StepUnderWay {
    return { finish: () => this.#step(work) };
  }

  async #step({ t, current, next, update }: StepWork): Promise<StepResult> {
    const start = performance.now();
    this.#gradients.reclaim();
    const units = this.#options.shards;
    const job = new Job<Delivered<PartialGradient>>({
      kind: 'gradient',
      t,
      weights: current,
      units,
      ranges: [{ begin: 0, end: units }],
    });
    let partials = await this.#members.complete(job);
    const computed = performance.now();
    this.#updater.reducing.take();
    const apply = (): void => {
      this.#record.write({ ...update, current, next, partials });
      this.#apply();
    };
    apply();
    if (!Number.isFinite(this.#record.squares() + addLosses(partials).lossSum)) {
      for (const right of this.#options.auditor.recheck(job, partials)) job.ledger.succeed(right.range, right);
      partials = job.ledger.results();
      apply();
    }
    const end = performance.now();
    const phases = this.#phasesOf(job, computed - start, end - computed);
    return { ...addLosses(partials), squares: this.#record.squares(), seconds: (end - start) / 1000, phases };
  }

  /** @param gradientMs @param updateMs milliseconds of each part of the step */
  #phasesOf({ seconds }: Job<unknown>, gradientMs: number, updateMs: number): StepPhases {
    const { dispatch, sample, compute, reduce, update } = seconds;
    const inBlocks = this.#updater.reducing.take();
    return {
      dispatch,
      sample,
      compute,
      reduce: reduce + inBlocks,
      update: update + Math.max(0, updateMs / 1000 - inBlocks),
      // Spent on the way, and waiting for the slowest.
      wait: Math.max(0, gradientMs / 1000 - dispatch - sample - compute - reduce - update),
    };
  }

  async round({ t, steps, current }: RoundWork): Promise<RoundResult> {
    const { replicas, auditor } = this.#options.rounds ?? notReplicated();
    const start = performance.now();
    this.#states?.reclaim();
    const { replicas: units, shards } = replicas;
    const whole = { ranges: [{ begin: 0, end: units }], units, shardsPerUnit: steps * shards };
    const job = new Job<Delivered<PartialState>>({ kind: 'replica', t, weights: current, steps, ...whole });
    let partials = await this.#members.complete(job);
    if (!partials.every((partial) => auditor.areFinite(partial))) {
      for (const right of auditor.recheck(job, partials)) job.ledger.succeed(right.range, right);
      partials = job.ledger.results();
    }
    const roundMs = performance.now() - start;
    return { partials, seconds: roundMs / 1000, phases: this.#phasesOf(job, roundMs, 0) };
  }

  async update(update: Update): Promise<void> {
    this.#record.rewrite(update);
    this.#apply();
  }

  #apply(): void {
    this.#updater.apply({ begin: 0, end: this.#record.blocks });
  }

  async evaluate(weights: WeightsVersion, t: number): Promise<Evaluation> {
    const chunks = new EvaluationChunks(this.#options.evaluated);
    const units = chunks.count;
    const job = new Job<EvaluatedChunks>({ kind: 'evaluate', t, weights, units, ranges: [{ begin: 0, end: units }] });
    return joinChunks(await this.#members.complete(job), chunks);
  }

  async close(): Promise<void> {
    this.#members.close();
  }

  /** Takes in what a member delivered. @returns whether it was of any use */
  #accept(member: Member, job: Job<unknown>, result: AssignmentResult): boolean {
    if (result.kind === 'evaluate') {
      for (const chunks of result.chunks) job.ledger.succeed(chunks.range, chunks);
      return true;
    }
    const taken = result.partials.map((partial: Delivery) =>
      result.kind === 'gradient'
        ? this.#gradients.take(member, job as Job<Delivered<PartialGradient>>, partial)
        : this.#states?.take(member, job as Job<Delivered<PartialState>>, partial),
    );
    return taken.includes(true);
  }
}

function notReplicated(): never {
  throw new Error('The job is not cut into replicas.');
}
