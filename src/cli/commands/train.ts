// lockstep train                                  all cores of this machine, 10,000 steps
// lockstep train --workers 4 --out runs/first
// lockstep train --resume latest
import { basename } from 'node:path';
import { Registry } from 'prom-client';
import { listeningOf } from '../../coordinator/cluster/listening.ts';
import { processIn } from '../../coordinator/observe/prometheus/process-families.ts';
import { RunMetrics } from '../../coordinator/observe/prometheus/run-metrics.ts';
import { remoteWriteOf } from '../../coordinator/observe/remote-write/start.ts';
import { startHttp } from '../../coordinator/observe/web/http.ts';
import { LiveFeed } from '../../coordinator/observe/web/live-feed.ts';
import { metricsAddressOf } from '../../coordinator/observe/web/metrics-address.ts';
import { configShown } from '../../coordinator/observe/web/recall.ts';
import { manifestJson, readManifest } from '../../coordinator/run/manifest.ts';
import { type Resumed, refuseOtherData, resumedRun } from '../../coordinator/run/resume.ts';
import { RunDirectory, runName } from '../../coordinator/run/run-directory.ts';
import { continueRun, initialState, start } from '../../coordinator/run/start.ts';
import { type Summary, summaryText } from '../../coordinator/run/summary.ts';
import { runTraining } from '../../library/training.ts';
import { type ResolvedTrainConfig, resolveTrainConfig, type TrainConfig } from '../../shared/config/config.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { openDataset } from '../../shared/data/open.ts';
import { prepareTfjs } from '../../shared/engine/tfjs/load.ts';
import { numericsDigest } from '../../shared/engine/wasm/exports.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { version } from '../../shared/util/version.ts';
import { openConsole } from '../console.ts';
import type { Terminal } from '../progress/terminal.ts';
import { stopOnSignals, surviveEarlySignals } from '../signals.ts';

/** @returns the exit code */
export async function train(flags: Record<string, unknown>): Promise<number> {
  surviveEarlySignals();
  const started = new Date();
  const sources = { flags, env: process.env };
  const resumed = await resumedRun(sources);
  const resolved = resumed ?? resolveTrainConfig(sources);
  const terminal = openConsole(resolved.config, process.env);
  try {
    return await trainWith({ started, resumed, resolved, terminal });
  } catch (error) {
    return terminal.printFailure(error);
  }
}

interface TrainRequest {
  readonly started: Date;
  /** Undefined: a new run. */
  readonly resumed: Resumed | undefined;
  readonly resolved: ResolvedTrainConfig;
  readonly terminal: Terminal;
}

async function trainWith({ started, resumed, resolved, terminal }: TrainRequest): Promise<number> {
  const print = (line: string): void => terminal.print(line);
  const result = resumed?.manifest.result;
  if (resumed !== undefined && result?.steps === resumed.config.iterations) return printResult(result, resumed, print);

  const { config } = resolved;
  const listening = await listeningOf(config, process.env);
  const remoteWrite = await remoteWriteOf(config, process.env);
  const address = await metricsAddressOf(resolved, process.env);
  if (config.backend === 'tfjs') prepareTfjs();
  const initial = resumed === undefined ? await initialState(config) : undefined;
  const memory = new SharedMemory();
  const dataset = await openDataset({
    ...{ flag: config.data, env: process.env, print },
    allocate: (length) => memory.bytes(length),
    show: (text) => terminal.showText(text),
    ...(resumed === undefined ? {} : { trainedOn: resumed.manifest.digests.dataset }),
  });
  if (resumed !== undefined) refuseOtherData(resumed, dataset.sha256);
  const name = resumed?.manifest.name ?? (config.out ? basename(config.out) : runName(started, config.seed));
  terminal.setContext({ run: name });
  const registry = new Registry();
  const metrics = metricsOf(registry, name, config, dataset);
  const feed = address && feedOf(name, started, config, dataset);
  // Bound before the run directory is made: a port that is taken leaves nothing behind.
  const http = address && (await startHttp({ ...address, metrics, feed }));
  try {
    const options = { print, forceUnlock: config.forceUnlock };
    const directory = await (resumed === undefined
      ? RunDirectory.create(config.out, { name, runs: callerPath('runs', process.env), ...options })
      : openUnchanged(resumed, options));
    const stop = stopOnSignals(print);
    try {
      const context = { memory, dataset, registry, metrics, feed, http, listening, remoteWrite, stop, terminal };
      const options = { directory, resolved, dataset, started, print, metricsUrl: http?.url };
      const begun = await (resumed === undefined ? start(initial, options) : continueRun(resumed, options));
      // The directory has another name where another run took that one in the same second.
      registry.setDefaultLabels({ run: begun.manifest.name });
      return await runTraining(begun, { directory, ...context });
    } finally {
      stop.release();
      await directory.close();
    }
  } finally {
    await http?.close();
  }
}

/** A finished run has nothing left to do. */
function printResult(result: Summary, { config, path }: Resumed, print: (line: string) => void): number {
  // The run may have been moved since.
  const summary = { ...result, run: path };
  for (const line of summaryText(summary, config)) print(line);
  if (config.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  return 0;
}

/** Opens a run's directory, which nobody else can change from then on. */
async function openUnchanged(
  { path, manifest }: Resumed,
  options: Parameters<typeof RunDirectory.open>[1],
): Promise<RunDirectory> {
  const directory = await RunDirectory.open(path, options);
  try {
    const now = await readManifest(path);
    if (JSON.stringify(manifestJson(now)) === JSON.stringify(manifestJson(manifest))) return directory;
    throw new RunDirectoryError(`The run ${path} was changed by another process meanwhile. Try again.`);
  } catch (error) {
    await directory.close();
    throw error;
  }
}

function metricsOf(registry: Registry, run: string, config: TrainConfig, dataset: Dataset): RunMetrics {
  const { backend, optimizer, seed, batch } = config;
  const info = { run, model: 'lenet5', dataset: dataset.name, backend, optimizer, seed, batch, version: version() };
  processIn(registry);
  return new RunMetrics(registry, info);
}

function feedOf(name: string, started: Date, config: TrainConfig, dataset: Dataset): LiveFeed {
  const { iterations, batch, shardSize } = config;
  const digests = { dataset: dataset.sha256, numerics: numericsDigest() };
  const shown = { config: configShown(config), digests, dataset: dataset.name };
  return new LiveFeed({ name, started: started.getTime(), iterations, batch, shardSize, ...shown });
}
