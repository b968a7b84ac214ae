// Trains a run, without output, signal handlers or exit codes:
//   const job = await resolveJob({ flags: { iterations: 500, out: 'runs/first' }, env: process.env });
//   const { state, result } = await train(job, { observers: [{ onStep: ({ step, loss }) => … }] });
import { startNotes } from '../coordinator/run/notes.ts';
import { isOver, type Summary } from '../coordinator/run/summary.ts';
import { CheckpointTimer } from '../coordinator/train/checkpoint-timer.ts';
import { HashChain } from '../coordinator/train/hash-chain.ts';
import { train as trainSteps } from '../coordinator/train/train.ts';
import type { CheckpointState } from '../coordinator/train/training.ts';
import type { TrainingResult } from '../coordinator/train/training-result.ts';
import { initialWeights } from '../shared/model/initialize.ts';
import { NotFiniteError } from '../shared/util/errors.ts';
import type { NodeTransport } from '../shared/wire/transport.ts';
import { conclude, type Run, recordFailure, type TrainOutcome } from './conclusion.ts';
import { readInputs, type TrainingJob } from './inputs.ts';
import { notificationsOf, type RunNotifications } from './notifications.ts';
import { allOf, printer, type RunObserver } from './observer.ts';
import { type Observers, openObservers } from './observers.ts';
import { type OwnScalars, ScalarReader } from './own-scalars.ts';
import { type RunContext, withRun } from './run-context.ts';
import { TimeLimit } from './time-limit.ts';

export interface TrainControl {
  /** Aborted: the run ends after the steps under way, with a checkpoint, and can be resumed. */
  readonly stop?: AbortSignal;
  /** Aborted with an error as the reason: the run ends in the same way, and fails with that error. */
  readonly failure?: AbortSignal;
  /** Whether a checkpoint was asked for since the last call. */
  readonly checkpointAsked?: () => boolean;
  /** From when --max-time counts, in milliseconds of `performance.now()` (default: when the job was resolved). */
  readonly timeFrom?: number | undefined;
  /** Numbers of the caller's own that each step is recorded with, such as the temperature of the machine; they decide no bit. */
  readonly scalars?: OwnScalars | undefined;
  /** The run accepts nodes over it, in place of WebSocket (docs/protocol.md). A run of 0 workers needs `listen` besides, which means nothing then. */
  readonly transport?: NodeTransport | undefined;
}

export interface TrainOptions extends TrainControl {
  readonly observers?: readonly RunObserver[];
  /** Tells somebody of the run, and of what else the caller passes to it (default: those of the job's --notify). */
  readonly notifications?: RunNotifications | undefined;
}

/**
 * Carries out a job: opens the run, trains, and updates run.json. If the run is already finished, only passes on its result.
 * @throws LockstepError with a stable `code` if it fails; the steps trained before are saved
 */
export async function train(job: TrainingJob, options: TrainOptions = {}): Promise<TrainOutcome> {
  const own = allOf(options.observers ?? []);
  let { notifications } = options;
  try {
    notifications ??= notificationsOf(job, printer(own));
    const observer = notifications === undefined ? own : allOf([own, notifications]);
    const outcome = await withinTime(job, observer, { ...options, notifications });
    notifications?.ended(outcome);
    return outcome;
  } catch (error) {
    notifications?.failed(error);
    throw error;
  } finally {
    await notifications?.finish();
    await own.close();
  }
}

/** Ends the run as `stop` does when the time of --max-time is over. */
async function withinTime(
  job: TrainingJob,
  observer: Required<RunObserver>,
  { notifications, timeFrom = job.startedAt, ...control }: TrainOptions,
): Promise<TrainOutcome> {
  const limit = new TimeLimit();
  const onOpen = (name: string): void => {
    observer.onOpen(name);
    limit.start(job.config, timeFrom, () => {
      printer(observer)('The time of --max-time is over: finishing this step, then saving.');
      notifications?.signal('--max-time');
    });
  };
  const stop = AbortSignal.any([limit.signal, ...(control.stop === undefined ? [] : [control.stop])]);
  try {
    return await withInputs(job, { ...observer, onOpen }, { ...control, stop });
  } finally {
    limit.cancel();
  }
}

async function withInputs(
  job: TrainingJob,
  observer: Required<RunObserver>,
  control: Stoppable,
): Promise<TrainOutcome> {
  const scalars = new ScalarReader(control.scalars ?? {}, printer(observer));
  const finished = resultOf(job);
  if (finished !== undefined) {
    observer.onResult(finished, job.config);
    return { state: 'finished', result: finished };
  }
  const ready = await readInputs(job, observer, control.transport);
  const ends = control.failure === undefined ? [control.stop] : [control.stop, control.failure];
  return withRun(ready.job, ready.inputs, { observer, ends }, (context) => carryOut(context, scalars, control));
}

type Stoppable = TrainControl & { readonly stop: AbortSignal };

/** The result of the job's run if that is finished, with the run's present path. */
function resultOf({ config, resumed }: TrainingJob): Summary | undefined {
  const result = resumed?.manifest.result;
  if (resumed?.manifest.state !== 'finished' || result === undefined) return undefined;
  return isOver(result, config.iterations) ? { ...result, run: resumed.path } : undefined;
}

async function carryOut(context: RunContext, scalars: ScalarReader, control: Stoppable): Promise<TrainOutcome> {
  const { directory, start, metrics, observer, http } = context;
  const { manifest, from } = start;
  const { config, dataset, attempts } = manifest;
  await directory.writeManifest(manifest);
  if (context.job.resumed === undefined) await startNotes(directory.path, context.job.config);
  const startedAt = Date.parse(attempts.at(-1)?.started ?? manifest.started);
  const { iterations, replicas, syncEvery } = config;
  metrics.begin({ attempt: attempts.length, startedAt, step: from.step, iterations, replicas, syncEvery });
  observer.onStart({ run: directory.path, config, dataset, http, from: from.step });

  const chain = new HashChain(start.chain);
  let observers: Observers | undefined;
  let trained: Trained;
  try {
    observers = await openObservers(context, scalars);
    trained = await runSteps({ context, observers, chain }, control);
  } catch (error) {
    await recordFailure({ context, chain, ...(observers && { observers }) }, error);
    await observers?.checkpointCommand?.finish(AbortSignal.abort());
    throw error;
  }
  return conclude({ context, observers, chain }, { ...trained, stop: control.stop });
}

interface Trained {
  readonly result: TrainingResult;
  /** Bytes exchanged with remote nodes; undefined if the run didn't listen for any. */
  readonly network: Readonly<Record<'sent' | 'received', number>> | undefined;
}

async function runSteps(
  { context, observers, chain }: Run,
  { failure, checkpointAsked = () => false }: TrainControl,
): Promise<Trained> {
  const { computing, start, stop } = context;
  const { manifest, from, state: initial } = start;
  const { config } = manifest;
  const { layout, kernel, state, optimizer, answers } = computing.engine;
  const { executor } = computing;
  let finished = false;
  try {
    computing.acceptNodes(manifest.name);
    state.load(initial?.weights ?? initialWeights(layout, config.seed, kernel.squareRoot), initial?.optimizer);
    observers.begin(state);
    await computing.ready();
    const { all: observer } = observers;
    const timer = new CheckpointTimer(config.checkpointMinutes);
    const loop = {
      config,
      from,
      executor,
      state,
      optimizer,
      chain,
      answers,
      observer,
      checkpoint: (taken: CheckpointState) => {
        timer.restart();
        observers.checkpoint(taken);
      },
      checkpointAsked: () => checkpointAsked() || timer.isDue,
    };
    const result = await trainSteps({ ...loop, stop });
    observers.checkpointCommand?.hold();
    await observers.checkpoints.finish(stop);
    failure?.throwIfAborted();
    requireFiniteTest(result, config.iterations);
    finished = result.complete && isOver(result, config.iterations);
    return { result, network: computing.networkBytes };
  } catch (error) {
    // The first error is the one to report.
    await observers.checkpoints.finish(AbortSignal.abort()).catch(() => {});
    throw error;
  } finally {
    await observers.close();
    await computing.close({ finished });
  }
}

/** @throws NotFiniteError if the last step's weights, though finite, give a loss on the test set that isn't */
function requireFiniteTest(result: TrainingResult, iterations: number): void {
  const { steps, testedAt, testLoss = 0 } = result;
  if (!isOver(result, iterations) || testedAt !== steps || Number.isFinite(testLoss)) return;
  throw new NotFiniteError(
    `Step ${steps}: expected a finite loss on the test set after its update, but got ${testLoss}. ` +
      'The step was applied, and its checkpoint is saved. Try a lower --learning-rate, or --clip-norm.',
    { step: steps },
  );
}
