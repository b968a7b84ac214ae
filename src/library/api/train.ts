import type { z } from 'zod';
import type { CheckpointRecord, EvaluationRecord, RunEvent, StepRecord } from '../../coordinator/train/observer.ts';
import type { OptionKey, trainSchema } from '../../shared/config/schema.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import type { ModelSpec } from '../../shared/model/spec.ts';
import type { NodeTransport } from '../../shared/wire/transport.ts';
import { resolveJob } from '../inputs.ts';
import type { RunObserver, RunStarted } from '../observer.ts';
import type { OwnScalars } from '../own-scalars.ts';
import { train as trainJob } from '../train.ts';
import { type Environment, NO_ENVIRONMENT } from './environment.ts';
import { EndedRun, type Run } from './run.ts';

/** Options of the command line that are about its terminal and its exit code. */
type TerminalOption = 'json' | 'logLevel' | 'logFormat' | 'logFile' | 'onHangup' | 'maxTimeExitCode';

type SchemaOptions = Omit<z.input<typeof trainSchema>, TerminalOption | 'model' | 'data' | 'resume'>;

/**
 * The options of a run, as the command line and config files have them: `shardSize` is `--shard-size`, with the same defaults, ranges
 * and units (docs/training.md), but for `metricsPort`, which is `off` unless it is given.
 */
export type TrainOptions = { readonly [Key in keyof SchemaOptions]: SchemaOptions[Key] | undefined } & {
  /** A preset's name, a file, or what `defineModel` gives (default: by the data set). */
  readonly model?: string | ModelSpec | undefined;
  /** A set's name, a file or folder, or what `defineDataset` gives (default: `mnist`). */
  readonly data?: string | Dataset | undefined;
  /** Options from a file of configs/; those that are given beside it precede. */
  readonly preset?: string | undefined;
  /** A JSON file of options; those that are given beside it precede. */
  readonly config?: string | undefined;
};

/** A remote node has joined the run, or is gone, and why. */
export type NodeChange = Extract<RunEvent, { readonly kind: 'joined' | 'gone' }>;

/** A sentence for a person about the run. */
export type Notice = Omit<Extract<RunEvent, { readonly kind: 'notice' }>, 'kind'>;

/** What a caller is told of a run. A callback that throws makes the run fail; none of them changes a bit of it. */
export interface TrainEvents {
  /** The first step is about to begin. */
  readonly onStart?: (run: RunStarted) => void;
  /** A step is done. Called for every one, so it should take little time. */
  readonly onStep?: (step: StepRecord) => void;
  /** The test set was tried, and the validation samples if there are any. */
  readonly onEvaluation?: (evaluation: EvaluationRecord) => void;
  /** A checkpoint is on the disk. */
  readonly onCheckpoint?: (checkpoint: CheckpointRecord) => void;
  /** A remote node has joined, or is gone. */
  readonly onNode?: (change: NodeChange) => void;
  /** Something that a person should know. */
  readonly onNotice?: (notice: Notice) => void;
  /** A temporary text, such as the progress of a download; an empty text removes it. */
  readonly onStatus?: (text: string) => void;
}

export interface TrainControl extends TrainEvents {
  /** Aborted: the run ends after the steps under way, with a checkpoint, and can be resumed. */
  readonly signal?: AbortSignal;
  /** Asked after each step: whether a checkpoint is to be taken now. */
  readonly checkpointAsked?: () => boolean;
  /** Numbers of the caller's own that each step is recorded with, such as the temperature of the machine; they decide no bit. */
  readonly scalars?: OwnScalars;
  /** The run accepts nodes over it, in place of WebSocket (docs/protocol.md). */
  readonly transport?: NodeTransport;
  /** Observers with all callbacks, beside those above. */
  readonly observers?: readonly RunObserver[];
  /** Variables that count as options and addresses too, such as `fromEnvironment()` (default: none). */
  readonly environment?: Environment;
}

/**
 * Trains a run to its end, or until it is told to stop, in a new run directory.
 * @returns the run: `state` is `finished`, or `stopped` if it was told to stop
 * @throws UsageError if an option can't be used, DatasetError, ModelError or CheckpointError if what one names can't be,
 * RunDirectoryError or WriteError if the run can't be saved, NotFiniteError if it diverges, WorkerError if workers fail again and again;
 * each with a stable `code`. What was trained before is saved.
 */
export function train(options: TrainOptions = {}, control: TrainControl = {}): Promise<EndedRun> {
  return carryOut(options, control);
}

/** Options that a resumed run can be given: those that don't decide its bits. */
export type ResumeOptions = Omit<TrainOptions, 'preset' | 'config' | 'out'>;

/**
 * Continues a run to its end from its last checkpoint. What decides its bits is its own; the rest can be given anew.
 * @param run the run, its directory, its name below runs/, or `latest`
 * @throws as `train`; UsageError also if an option would change the bits; RunLockError if another process holds the run
 */
export function resume(run: Run | string, options: ResumeOptions = {}, control: TrainControl = {}): Promise<EndedRun> {
  return carryOut(options, control, typeof run === 'string' ? run : run.path);
}

async function carryOut(options: TrainOptions, control: TrainControl, resumed?: string): Promise<EndedRun> {
  const { environment: env = NO_ENVIRONMENT, signal, checkpointAsked, scalars, transport, ...rest } = control;
  const { observers = [], ...events } = rest;
  const { preset, config, data, ...own } = options;
  const given: Partial<Record<OptionKey, unknown>> = {
    metricsPort: 'off',
    // Nodes can come over it, which is all that the address then says.
    ...(transport !== undefined && { listen: '127.0.0.1:0' }),
    ...own,
    ...(typeof data === 'string' && { data }),
    ...(resumed !== undefined && { resume: resumed }),
  };
  const sources = { flags: { preset, config }, options: given, env };
  const job = await resolveJob(sources, typeof data === 'object' ? data : undefined);
  const { result } = await trainJob(job, {
    observers: [observerOf(events), ...observers],
    ...(signal && { stop: signal }),
    ...(checkpointAsked && { checkpointAsked }),
    scalars,
    transport,
  });
  return EndedRun.open(result.run);
}

function observerOf({ onNode, onNotice, ...events }: TrainEvents): RunObserver {
  return {
    ...events,
    onEvent(event) {
      if (event.kind === 'joined' || event.kind === 'gone') onNode?.(event);
      if (event.kind !== 'notice') return;
      const { kind: _, ...notice } = event;
      onNotice?.(notice);
    },
  };
}
