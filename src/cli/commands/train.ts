// lockstep train                                  all cores of this machine, 10,000 steps
// lockstep train --workers 4 --out runs/first
import { Registry } from 'prom-client';
import { CheckpointQueue } from '../../coordinator/checkpoint-queue.ts';
import { type HttpServer, startHttp } from '../../coordinator/http.ts';
import { RunMetrics } from '../../coordinator/metrics.ts';
import { together } from '../../coordinator/observer.ts';
import { RunDirectory, runName } from '../../coordinator/run-directory.ts';
import { type TrainingResult, train as trainLoop } from '../../coordinator/train.ts';
import { type ResolvedTrainConfig, resolveTrainConfig, type TrainConfig } from '../../shared/config.ts';
import type { Dataset } from '../../shared/dataset/dataset.ts';
import { numericsDigest } from '../../shared/kernel/exports.ts';
import { SharedMemory } from '../../shared/kernel/memory.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { callerPath } from '../../shared/paths.ts';
import { openDataset } from '../dataset.ts';
import { startEngine } from '../engine.ts';
import { manifestOf } from '../manifest.ts';
import { progressOf } from '../progress/progress.ts';
import { Terminal } from '../progress/terminal.ts';
import { type StopSignals, stopOnSignals } from '../signals.ts';
import { announcement, summaryOf, summaryText } from '../summary.ts';
import { version } from '../version.ts';

/** @returns the exit code */
export async function train(flags: Record<string, unknown>): Promise<number> {
  const started = new Date();
  const terminal = new Terminal({ stream: process.stderr, env: process.env, now: () => performance.now() });
  const resolved = resolveTrainConfig({ flags, env: process.env });
  const { config } = resolved;
  const memory = new SharedMemory();
  const say = (line: string): void => terminal.say(line);
  const show = (text: string): void => terminal.showText(text);
  const allocate = (length: number): Uint8Array => memory.bytes(length);
  const dataset = await openDataset({ flag: config.data, env: process.env, allocate, say, show });
  const metrics = metricsOf(runName(started, config.seed), config, dataset);
  // Bound before the run directory is made: a port that is taken leaves nothing behind.
  const http = await listen(resolved, metrics);
  try {
    const directory = await RunDirectory.create(config.out, {
      name: runName(started, config.seed),
      runs: callerPath('runs', process.env),
      onLogFailure: (error) => say(error.message),
    });
    const stop = stopOnSignals(say);
    try {
      return await runIn(directory, { config, memory, dataset, metrics, http, stop, started, terminal });
    } finally {
      stop.release();
      await directory.close();
    }
  } finally {
    await http?.close();
  }
}

interface Surroundings {
  readonly config: TrainConfig;
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
  readonly metrics: RunMetrics;
  readonly http: HttpServer | undefined;
  readonly stop: StopSignals;
  readonly started: Date;
  readonly terminal: Terminal;
}

async function runIn(directory: RunDirectory, surroundings: Surroundings): Promise<number> {
  const { config, dataset, http, stop, started, terminal } = surroundings;
  const digests = { dataset: dataset.sha256, numerics: numericsDigest() };
  const description = manifestOf({ name: directory.name, config, digests, started, metricsUrl: http?.url });
  const manifest = { ...description, dataset: dataset.name };
  await directory.writeManifest(manifest);
  for (const line of announcement({ run: directory.path, config, dataset: dataset.name, http })) terminal.say(line);
  const result = await trainIn(directory, surroundings, digests);
  const summary = summaryOf({ run: directory.path, config, dataset: dataset.name, result, started });
  await directory.writeManifest({ ...manifest, ended: new Date().toISOString(), result: summary });
  for (const line of summaryText(summary, config)) terminal.say(line);
  if (config.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return stop.exitCode;
}

async function trainIn(
  directory: RunDirectory,
  { config, memory, dataset, metrics, stop, terminal }: Surroundings,
  digests: { readonly dataset: string; readonly numerics: string },
): Promise<TrainingResult> {
  const { iterations: steps, batch } = config;
  const progress = progressOf({ terminal, steps, batch, now: () => performance.now() });
  const observer = together([metrics, progress, { onStep: (record) => directory.appendStep(record) }]);
  const engine = startEngine({
    ...{ config, memory, dataset },
    onLost: (worker, { message }) =>
      observer.onEvent({ kind: 'notice', message: `Worker ${worker} was lost (${message}); another takes its place.` }),
    onReady: (ready) =>
      observer.onEvent({ kind: 'workers', node: 'local', counts: { ready, starting: config.workers - ready } }),
  });
  const { layout, kernel, state, optimizer, pool: executor, testLabels } = engine;
  metrics.watchShards('local', executor.shardCounts);
  try {
    state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
    const checkpoints = new CheckpointQueue(directory.checkpoints, { layout, config, digests }, observer);
    const result = await trainLoop({
      ...{ config, executor, state, optimizer, testLabels, observer, stop: stop.signal },
      checkpoint: (state) => checkpoints.take(state),
    });
    await checkpoints.written();
    return result;
  } finally {
    terminal.clear();
    await executor.close();
  }
}

function metricsOf(run: string, config: TrainConfig, dataset: Dataset): RunMetrics {
  const { backend, optimizer, seed, batch } = config;
  const info = { run, model: 'lenet5', dataset: dataset.name, backend, optimizer, seed, batch, version: version() };
  return new RunMetrics(new Registry(), info);
}

async function listen({ config, explicit }: ResolvedTrainConfig, metrics: RunMetrics): Promise<HttpServer | undefined> {
  const port = config.metricsPort;
  return port === 'off' ? undefined : startHttp({ port, explicit: explicit.has('metricsPort'), metrics });
}
