import { ended, type Manifest } from '../coordinator/run/manifest.ts';
import { resumeCommand } from '../coordinator/run/resume.ts';
import type { RunDirectory } from '../coordinator/run/run-directory.ts';
import { isOver, type Summary, samplesText, summaryOf } from '../coordinator/run/summary.ts';
import type { HashChain } from '../coordinator/train/hash-chain.ts';
import type { TrainingResult } from '../coordinator/train/training-result.ts';
import { RunDirectoryError, WriteError } from '../shared/util/errors.ts';
import type { Observers } from './observers.ts';
import type { RunContext } from './run-context.ts';
import { MAX_TIME, type StoppedBy } from './time-limit.ts';

export interface TrainOutcome {
  readonly state: 'finished' | 'stopped';
  readonly result: Summary;
  /** What ended a stopped run. */
  readonly stoppedBy?: StoppedBy;
}

export interface Run {
  readonly context: RunContext;
  readonly observers: Observers;
  readonly chain: HashChain;
}

interface Ending {
  readonly result: TrainingResult;
  readonly network: Readonly<Record<'sent' | 'received', number>> | undefined;
  readonly stop: AbortSignal;
}

/** Reports the result of a training, and writes run.json for the last time. @throws WriteError if that fails */
export async function conclude(
  { context, observers, chain }: Run,
  { result, network, stop }: Ending,
): Promise<TrainOutcome> {
  const { directory, start, feed, observer, job } = context;
  const { config, dataset } = start.manifest;
  const samples = await observers.remoteWriter?.finish(stop);
  const seconds = Math.round(performance.now() - job.startedAt) / 1000;
  const summary = summaryOf({ run: directory.path, config, dataset, result, seconds, network, samples });
  const { steps } = observers;
  const state = result.complete && isOver({ ...result, steps }, config.iterations) ? 'finished' : 'stopped';
  observer.onResult(summary, config);
  await feed?.end(state);
  try {
    await writeLastManifest(directory, ended(start.manifest, { state, steps, chain: chain.value, result: summary }));
  } finally {
    await observers.checkpointCommand?.finish(stop);
  }
  if (state === 'finished') return { state, result: summary };
  return { state, result: summary, stoppedBy: stop.reason === MAX_TIME ? MAX_TIME : 'signal' };
}

/** Writes the reason for a failure to run.json, if that can be written. */
export async function recordFailure(
  { context, observers, chain }: Omit<Run, 'observers'> & Partial<Run>,
  error: unknown,
): Promise<void> {
  const { directory, start, feed, print } = context;
  const steps = observers?.steps ?? start.from.step;
  const failure = error instanceof Error ? error.message : String(error);
  await feed?.end('failed');
  const manifest = ended(start.manifest, { state: 'failed', steps, chain: chain.value, failure });
  // If the directory caused the failure, this fails too, and the first error is the one to report.
  await directory.writeManifest(manifest).catch(() => {});
  const samples = await observers?.remoteWriter?.finish(AbortSignal.abort());
  if (samples !== undefined && samples.dropped > 0) print(samplesText(samples, directory.path), 'warn');
}

/** @throws WriteError if it fails: everything else is saved, so resuming the run repairs run.json */
async function writeLastManifest(directory: RunDirectory, manifest: Manifest): Promise<void> {
  try {
    await directory.writeManifest(manifest);
  } catch (error) {
    if (!(error instanceof RunDirectoryError)) throw error;
    const resume = resumeCommand(directory.path, manifest.config);
    throw new WriteError(`${error.message} The checkpoint is saved. To bring run.json up to date: ${resume}`, {
      cause: error,
    });
  }
}
