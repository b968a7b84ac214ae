import { NodeRecorder } from '../coordinator/observe/nodes/node-recorder.ts';
import type { RemoteWriter } from '../coordinator/observe/remote-write/remote-writer.ts';
import { startRemoteWrite } from '../coordinator/observe/remote-write/start.ts';
import type { EventLog } from '../coordinator/observe/tensorboard/event-log.ts';
import { eventLogOf } from '../coordinator/observe/tensorboard/open.ts';
import { recall } from '../coordinator/observe/web/recall.ts';
import { CheckpointCommand } from '../coordinator/run/checkpoint-command.ts';
import { type CheckpointContext, CheckpointWriter } from '../coordinator/run/checkpoint-writer.ts';
import { type RunEvent, type StepObserver, together } from '../coordinator/train/observer.ts';
import { earlyStep } from '../coordinator/train/schedule.ts';
import type { CheckpointState } from '../coordinator/train/training.ts';
import { knownSamples } from '../shared/checkpoint/checkpoint.ts';
import type { StateStore } from '../shared/engine/state.ts';
import { modelOf } from '../shared/model/registry.ts';
import { callerPath } from '../shared/util/paths.ts';
import type { ScalarReader } from './own-scalars.ts';
import type { RunContext } from './run-context.ts';

/** All observers of a run. */
export interface Observers {
  /** One observer that forwards every call to each of them. */
  readonly all: Required<Omit<StepObserver, 'close'>>;
  readonly checkpoints: CheckpointWriter;
  /** What --checkpoint-command runs; undefined if it isn't given. */
  readonly checkpointCommand: CheckpointCommand | undefined;
  /** Undefined if the run has no remote write receiver. */
  readonly remoteWriter: RemoteWriter | undefined;
  /** Takes a checkpoint of a state, which it copies before it returns. */
  checkpoint(state: CheckpointState): void;
  /** Must be called when the state at the beginning of the attempt is in place. */
  begin(state: StateStore): void;
  /** Updates that were appended to the log. */
  readonly steps: number;
  close(): Promise<void>;
}

/** Builds all observers of a run: metrics, live page, the caller's own, step log, remote write, TensorBoard, checkpoints. */
export async function openObservers(context: RunContext, scalars: ScalarReader): Promise<Observers> {
  const { start, directory, metrics, nodes, feed, observer, registry, remoteWrite, print } = context;
  const { manifest, from } = start;
  if (feed !== undefined) await recall(directory, from.step, feed);
  const remoteWriter = await startRemoteWrite(remoteWrite, manifest, { run: directory.path, registry, print });
  const onEvent = (event: RunEvent): void => all.onEvent(event);
  const events = await eventLogOf(start, directory, {
    onNotice: (message) => onEvent({ kind: 'notice', level: 'warn', message }),
    describe: (name) => scalars.helpOf(name),
  });
  const checkpoints = new CheckpointWriter({
    ...checkpointInputs(context, events),
    observer: { onCheckpoint: (record) => all.onCheckpoint(record), onEvent },
    onLockLost: () => context.lockLost.abort(),
  });
  let steps = from.step;
  const log: StepObserver = {
    onStep(record) {
      directory.appendStep(record);
      steps = record.step;
    },
  };
  let store: StateStore | undefined;
  const histograms: StepObserver = {
    onEvaluation({ step }) {
      if (store !== undefined) events?.weights(step, store.current.values);
    },
  };
  const checkpointCommand = checkpointCommandOf(context);
  const recorder = new NodeRecorder(nodes, directory);
  const others = [feed, remoteWriter, events, checkpointCommand].filter((each) => each !== undefined);
  const all = together([log, checkpoints, metrics, ...others, histograms, observer]);
  return {
    all: { ...all, onStep: (record) => all.onStep(scalars.addTo(record)) },
    checkpoints,
    checkpointCommand,
    remoteWriter,
    checkpoint: (taken) => {
      events?.weights(taken.step, taken.weights);
      checkpoints.take(taken);
    },
    begin: (initial) => {
      store = initial;
      if (from.step === 0) events?.weights(0, store.current.values);
    },
    get steps() {
      return steps;
    },
    close: async () => {
      await directory.endSteps();
      await events?.close();
      await recorder.close();
    },
  };
}

function checkpointCommandOf({ job, registry, print }: RunContext): CheckpointCommand | undefined {
  const { checkpointCommand: command } = job.config;
  if (command === undefined) return undefined;
  const made = new CheckpointCommand({ command, cwd: callerPath('.', job.env), env: job.env, print });
  made.register(registry);
  return made;
}

/** The parts of the run that its checkpoint writer needs. */
function checkpointInputs(
  { start, directory, dataset }: RunContext,
  events: EventLog | undefined,
): Omit<CheckpointContext, 'observer' | 'onLockLost'> {
  const { manifest, from } = start;
  const { config, digests, attempts } = manifest;
  return {
    folder: directory.checkpoints,
    files: directory.files,
    failures: directory.failures,
    layout: modelOf(config),
    config,
    digests,
    samples: knownSamples(dataset),
    from: from.step,
    snapshots: [earlyStep(config), ...attempts.map(({ iterations }) => iterations)],
    syncLog: async () => {
      await directory.syncSteps();
      // Flushed too, so that a run that continues from this checkpoint has the events up to it.
      await events?.flush();
    },
  };
}
