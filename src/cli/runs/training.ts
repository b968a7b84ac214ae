import { CheckpointWriter } from '../../coordinator/checkpoint-writer.ts';
import { HashChain } from '../../coordinator/hash-chain.ts';
import type { HttpServer } from '../../coordinator/http.ts';
import type { RunMetrics } from '../../coordinator/metrics.ts';
import { type StepObserver, type StepRecord, together } from '../../coordinator/observer.ts';
import type { RunDirectory } from '../../coordinator/run-directory.ts';
import { type TrainingResult, train } from '../../coordinator/train.ts';
import type { TrainingState } from '../../shared/checkpoint/checkpoint.ts';
import type { Dataset } from '../../shared/dataset/dataset.ts';
import type { SharedMemory } from '../../shared/kernel/memory.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { type Engine, startEngine } from '../engine.ts';
import { progressOf } from '../progress/progress.ts';
import type { Terminal } from '../progress/terminal.ts';
import type { StopSignals } from '../signals.ts';
import { ended, manifestJson } from './manifest.ts';
import type { Beginning } from './start.ts';
import { announcement, summaryOf, summaryText } from './summary.ts';

export interface Surroundings {
  readonly directory: RunDirectory;
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
  readonly metrics: RunMetrics;
  readonly http: HttpServer | undefined;
  readonly stop: StopSignals;
  readonly terminal: Terminal;
}

/**
 * Carries a run out: trains, and keeps run.json.
 * @returns the exit code
 */
export async function runTraining(beginning: Beginning, surroundings: Surroundings): Promise<number> {
  const { manifest, from } = beginning;
  const { directory, http, stop, terminal } = surroundings;
  const { config, dataset } = manifest;
  const run = directory.path;
  await directory.writeManifest(manifestJson(manifest));
  for (const line of announcement({ run, config, dataset, http, from: from.step })) terminal.say(line);
  const chain = new HashChain(beginning.chain);
  let steps = from.step;
  const follow = ({ step }: StepRecord): void => {
    steps = step;
  };
  try {
    const result = await trainIn(beginning, { ...surroundings, chain, follow });
    const started = new Date(manifest.attempts.at(-1)?.started ?? manifest.started);
    const summary = summaryOf({ run, config, dataset, result, started });
    const state = steps === config.iterations ? 'finished' : 'stopped';
    await directory.writeManifest(manifestJson(ended(manifest, { state, steps, chain: chain.value, result: summary })));
    for (const line of summaryText(summary, config)) terminal.say(line);
    if (config.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    return stop.exitCode;
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    const ending = { state: 'failed', steps, chain: chain.value, failure } as const;
    // It may be the directory that failed: then the first error is the one to tell.
    await directory.writeManifest(manifestJson(ended(manifest, ending))).catch(() => {});
    throw error;
  }
}

interface Watched extends Surroundings {
  readonly chain: HashChain;
  /** Told of each step after the log. */
  readonly follow: (record: StepRecord) => void;
}

async function trainIn(beginning: Beginning, surroundings: Watched): Promise<TrainingResult> {
  const { manifest, from, state: initial } = beginning;
  const { directory, memory, dataset, metrics, stop, terminal, chain, follow } = surroundings;
  const { config, digests, attempts } = manifest;
  const { iterations: steps, batch } = config;
  const progress = progressOf({ terminal, steps, batch, now: () => performance.now() });
  const log: StepObserver = { onStep: (record) => directory.appendStep(record) };
  const watchers = together([metrics, progress, log, { onStep: follow }]);
  const engine = startEngine({
    ...{ config, memory, dataset },
    onLost: (worker, { message }) =>
      watchers.onEvent({ kind: 'notice', message: `Worker ${worker} was lost (${message}); another takes its place.` }),
    onReady: (ready) =>
      watchers.onEvent({ kind: 'workers', node: 'local', counts: { ready, starting: config.workers - ready } }),
  });
  const { layout, state, optimizer, pool: executor, testLabels } = engine;
  metrics.watchShards('local', executor.shardCounts);
  const lockLost = new AbortController();
  const checkpoints = new CheckpointWriter({
    ...{ folder: directory.checkpoints, files: directory.files, layout, config, digests, from: from.step },
    ends: attempts.map(({ iterations }) => iterations),
    syncLog: () => directory.syncSteps(),
    observer: watchers,
    onLockLost: () => lockLost.abort(),
  });
  try {
    place(initial, engine, config.seed);
    const result = await train({
      ...{ config, from, executor, state, optimizer, chain, testLabels },
      observer: together([watchers, checkpoints]),
      checkpoint: (taken) => checkpoints.take(taken),
      checkpointAsked: stop.checkpointAsked,
      stop: AbortSignal.any([stop.signal, lockLost.signal]),
    });
    await checkpoints.finish(stop.signal);
    return result;
  } catch (error) {
    // What led here is the failure to tell.
    await checkpoints.finish(AbortSignal.abort()).catch(() => {});
    throw error;
  } finally {
    terminal.clear();
    await executor.close();
  }
}

/** Puts the initial state into the engine's. */
function place(initial: TrainingState | undefined, { layout, kernel, state }: Engine, seed: number): void {
  const { values, m, v } = state.current;
  values.set(initial?.weights ?? initialWeights(layout, seed, kernel.squareRoot));
  if (initial === undefined) return;
  m.set(initial.optimizer.m);
  if (initial.optimizer.v !== undefined) v?.set(initial.optimizer.v);
}
