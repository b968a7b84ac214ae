import { type ShardRange, unitsOf } from '../../shared/engine/tree.ts';
import type { UpdateRecord } from '../../shared/engine/update.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';
import { FIRST_MEASUREMENTS, PROBE_MS } from '../../shared/scheduler/policy.ts';
import { costsOf } from '../../shared/scheduler/speed.ts';
import { splitBySpeed } from '../../shared/scheduler/split-by-speed.ts';
import type { Watchdog } from '../../shared/scheduler/watchdog.ts';
import { MAX_WAITING, type StepBarriers } from './barrier.ts';
import type { BlockWork } from './block-work.ts';
import { CommandAttempt } from './command-attempt.ts';
import type { CompletionSignal } from './completion-signal.ts';
import { type PoolJob, StepJob } from './job.ts';
import { type Command, MAX_RANGES, type RangeTarget } from './mailbox.ts';
import type { PartialRegion, RegionStore } from './regions.ts';
import type { WorkerSlot, WorkerThreads } from './worker-threads.ts';

const NO_BLOCKS: ShardRange = { begin: 0, end: 0 };

export interface DispatcherParts {
  readonly threads: WorkerThreads;
  readonly signal: CompletionSignal;
  readonly barriers: StepBarriers;
  readonly regions: RegionStore<PartialRegion>;
  /** One for each step that may be open. */
  readonly records: readonly UpdateRecord[];
  readonly watchdog: Watchdog;
}

/** What one worker computes of a job. */
interface Share {
  readonly slot: WorkerSlot;
  readonly ranges: readonly ShardRange[];
}

/** Gives work to workers: a whole step to all of them at once, or what is missing of a job to those that are free. */
export class Dispatcher {
  /** Shards that workers were given, by why they were. */
  readonly attemptCounts: AttemptCounts = { first: 0, retry: 0, duplicate: 0 };
  readonly #parts: DispatcherParts;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /**
   * Gives a step to the workers that are up and at nothing but the steps before it. If it can't be given in one go, nothing
   * is started.
   */
  startStep(step: StepJob, before: StepJob | undefined): void {
    if (before?.generation === 0) return;
    const team = this.#split(step, this.#parts.threads.slots.filter(isInStep));
    const ranges = team.reduce((sum, share) => sum + share.ranges.length, 0);
    if (ranges > this.#parts.regions.free || team.some((share) => share.ranges.length > MAX_RANGES)) return;
    if (team.length === 0 || team.length > MAX_WAITING) return;
    const targets = team.map((share) => withRegions(step, share.ranges));
    this.#record(step, targets.flat());
    const slices = step.blocks.take(team.length);
    step.team = team.length;
    step.generation = this.#parts.barriers.open(team.length);
    for (const [i, { slot }] of team.entries()) {
      this.#send(slot, {
        kind: 'step',
        targets: targets[i] ?? [],
        generation: step.generation,
        after: before?.generation ?? 0,
        record: step.ringSlot,
        job: step,
        blocks: slices[i] && { work: step.blocks, range: slices[i] },
      });
    }
  }

  /** Gives what is missing of a job to the workers that are free. */
  assign(job: PoolJob): void {
    const { threads } = this.#parts;
    if (job.ledger.missing().length === 0) return;
    for (const { slot, ranges } of this.#split(job, threads.free)) {
      // Regions can run short only after many failures; what finds none is assigned later.
      const each = job.kind === 'replica' ? unitsOf(ranges) : ranges;
      const targets = withRegions(job, each.slice(0, Math.min(MAX_RANGES, job.store.free)));
      if (targets.length > 0) this.#send(slot, { kind: job.kind, targets, job });
    }
  }

  /** Gives the missing blocks of an update to the workers that are free. */
  assignBlocks(work: BlockWork, record: number): void {
    const { free } = this.#parts.threads;
    for (const [i, range] of work.take(free.length).entries()) {
      this.#send(free[i] as WorkerSlot, { kind: 'update', targets: [], record, blocks: { work, range } });
    }
  }

  /** Splits what is missing of a job by the workers' speeds. @returns the shares of those that get something */
  #split({ ledger, kind }: PoolJob, slots: readonly WorkerSlot[]): Share[] {
    const costs = costsOf(
      slots.map(({ speeds }) => ({ estimate: speeds[kind], threads: 1 })),
      FIRST_MEASUREMENTS,
    );
    const speeds = costs.map(({ shard }) => 1 / shard);
    const parts = splitBySpeed(ledger.units, ledger.missing(), speeds);
    const shares = slots.map((slot, i) => ({ slot, ranges: parts[i] ?? [] }));
    for (const share of shares) this.#noteUse(share, kind);
    return shares.filter(({ ranges }) => ranges.length > 0);
  }

  /** A worker that has been too slow for any part of the work for a while counts as average the next time. */
  #noteUse({ slot, ranges }: Share, kind: PoolJob['kind']): void {
    const now = this.#parts.watchdog.now();
    slot.unusedSince = ranges.length > 0 ? undefined : (slot.unusedSince ?? now);
    if (slot.unusedSince === undefined || now - slot.unusedSince < PROBE_MS) return;
    slot.speeds[kind].forget();
    slot.unusedSince = undefined;
  }

  /** Writes down what the step's update reads and writes. */
  #record({ update, current, next, ringSlot }: StepJob, targets: readonly RangeTarget[]): void {
    const partials = targets.map(({ range, region }) => {
      return { range, gradient: this.#parts.regions.at(region).gradient };
    });
    this.#parts.records[ringSlot]?.write({ ...update, current, next, partials });
  }

  #send(slot: WorkerSlot, { kind, targets, job, blocks, ...more }: CommandParts): void {
    const { signal, watchdog } = this.#parts;
    const command: Command = {
      kind,
      targets,
      t: job?.t ?? 0,
      weights: job?.weights.values.byteOffset ?? 0,
      steps: job?.steps ?? 1,
      firstShard: job?.firstShard ?? 0,
      generation: more.generation ?? 0,
      after: more.after ?? 0,
      record: more.record ?? 0,
      blocks: blocks?.range ?? NO_BLOCKS,
    };
    signal.arm();
    slot.queue.push(
      new CommandAttempt({
        command,
        sequence: slot.mailbox.send(command),
        job,
        blocks: blocks?.work,
        now: watchdog.now(),
        counts: job?.kind === 'evaluate' ? undefined : this.attemptCounts,
      }),
    );
  }
}

/** A command, with what its ranges and blocks belong to. */
interface CommandParts
  extends Pick<Command, 'kind' | 'targets'>,
    Partial<Pick<Command, 'generation' | 'after' | 'record'>> {
  readonly job?: PoolJob;
  readonly blocks?: { readonly work: BlockWork; readonly range: ShardRange } | undefined;
}

function withRegions({ store }: PoolJob, ranges: readonly ShardRange[]): RangeTarget[] {
  return ranges.map((range) => ({ range, region: store.take() }));
}

/** Whether the worker is up, and at nothing but steps at whose barriers all wait for each other. */
function isInStep({ queue, mailbox }: WorkerSlot): boolean {
  return mailbox.thread !== 0 && queue.every(({ job }) => job instanceof StepJob && job.generation !== 0);
}
