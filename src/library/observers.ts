import type { RemoteWriter } from '../coordinator/observe/remote-write/remote-writer.ts';
import { startRemoteWrite } from '../coordinator/observe/remote-write/start.ts';
import { eventLogOf } from '../coordinator/observe/tensorboard/open.ts';
import { recall } from '../coordinator/observe/web/recall.ts';
import { CheckpointWriter } from '../coordinator/run/checkpoint-writer.ts';
import { layoutFor } from '../coordinator/run/start.ts';
import { type StepObserver, type StepRecord, together } from '../coordinator/train/observer.ts';
import type { StateStore } from '../coordinator/train/state.ts';
import type { CheckpointState } from '../coordinator/train/training.ts';
import type { RunContext } from './run-context.ts';

/** Everything that watches a run. */
export interface Observers {
  /** All of them as one. */
  readonly all: Required<Omit<StepObserver, 'close'>>;
  readonly checkpoints: CheckpointWriter;
  /** Undefined: steps aren't sent anywhere. */
  readonly remoteWriter: RemoteWriter | undefined;
  /** Takes a checkpoint of a state, which it copies before it returns. */
  checkpoint(state: CheckpointState): void;
  /** Called when the state that the run begins with is in place. */
  begin(state: StateStore): void;
  /** Aborted if another process has taken the run directory over. */
  readonly lockLost: AbortSignal;
  /** Updates that the log was told of. */
  readonly steps: number;
  close(): Promise<void>;
}

/** Builds all observers of a run: metrics, live page, the caller's own, step log, remote write, TensorBoard, checkpoints. */
export async function openObservers(context: RunContext): Promise<Observers> {
  const { start, directory, metrics, feed, observer, registry, remoteWrite, print } = context;
  const { manifest, from } = start;
  const { config, digests, attempts } = manifest;
  if (feed !== undefined) await recall(directory, from.step, feed);
  const remoteWriter = await startRemoteWrite(remoteWrite, manifest, { run: directory.path, registry, print });
  const events = await eventLogOf(start, directory, (message) =>
    all.onEvent({ kind: 'notice', level: 'warn', message }),
  );
  const lockLost = new AbortController();
  const checkpoints = new CheckpointWriter({
    folder: directory.checkpoints,
    files: directory.files,
    layout: layoutFor(config),
    config,
    digests,
    from: from.step,
    ends: attempts.map(({ iterations }) => iterations),
    syncLog: async () => {
      await directory.syncSteps();
      // A run that continues from this checkpoint finds the events up to it.
      await events?.flush();
    },
    observer: { onCheckpoint: (record) => all.onCheckpoint(record), onEvent: (event) => all.onEvent(event) },
    onLockLost: () => lockLost.abort(),
  });
  let steps = from.step;
  const log: StepObserver = {
    onStep(record: StepRecord): void {
      directory.appendStep(record);
      steps = record.step;
    },
  };
  let state: StateStore | undefined;
  const histograms: StepObserver = {
    onEvaluation({ step }): void {
      if (state !== undefined) events?.weights(step, state.current.values);
    },
  };
  const all = together([metrics, feed ?? {}, observer, log, remoteWriter ?? {}, events ?? {}, checkpoints, histograms]);
  return {
    all,
    checkpoints,
    remoteWriter,
    checkpoint: (state) => {
      events?.weights(state.step, state.weights);
      checkpoints.take(state);
    },
    begin: (initial) => {
      state = initial;
      if (from.step === 0) events?.weights(0, state.current.values);
    },
    lockLost: lockLost.signal,
    get steps() {
      return steps;
    },
    close: async () => {
      await events?.close();
      await observer.close();
    },
  };
}
