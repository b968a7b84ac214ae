import { basename } from 'node:path';
import { Registry } from 'prom-client';
import { processIn } from '../coordinator/observe/prometheus/process-families.ts';
import { RunMetrics } from '../coordinator/observe/prometheus/run-metrics.ts';
import { startHttp } from '../coordinator/observe/web/http.ts';
import { LiveFeed } from '../coordinator/observe/web/live-feed.ts';
import { configShown } from '../coordinator/observe/web/recall.ts';
import type { WebServer } from '../coordinator/observe/web/web-server.ts';
import { manifestJson, readManifest } from '../coordinator/run/manifest.ts';
import type { Resumed } from '../coordinator/run/resume.ts';
import { RunDirectory, type RunDirectoryOptions, runName } from '../coordinator/run/run-directory.ts';
import { continueRun, type RunStart, start } from '../coordinator/run/start.ts';
import { dataNote } from '../shared/data/registry.ts';
import { numericsDigest } from '../shared/engine/wasm/exports.ts';
import { RunDirectoryError } from '../shared/util/errors.ts';
import { callerPath } from '../shared/util/paths.ts';
import { version } from '../shared/util/version.ts';
import type { TrainingInputs, TrainingJob } from './inputs.ts';
import { printer, type RunObserver } from './observer.ts';

/** An open run: its directory, its state at the beginning of the attempt, and its metrics and live page. */
export interface RunContext extends TrainingInputs {
  readonly job: TrainingJob;
  readonly directory: RunDirectory;
  readonly start: RunStart;
  readonly registry: Registry;
  /** The run's metrics, which are in the registry. */
  readonly metrics: RunMetrics;
  /** The data of the live page; undefined if it is off. */
  readonly feed: LiveFeed | undefined;
  /** The server of metrics and live page; undefined if they are off. */
  readonly http: WebServer | undefined;
  /** The caller's observers, as one. */
  readonly observer: Required<RunObserver>;
  /** Passes a sentence to them as a notice. */
  readonly print: (message: string) => void;
}

/**
 * Opens a run, calls `use`, and closes the run.
 * @throws ListenError if the port can't be used, RunDirectoryError if the directory can't be made or used, RunLockError if another
 * process holds it, CheckpointError if no checkpoint is intact, and whatever `use` throws
 */
export async function withRun<T>(
  job: TrainingJob,
  inputs: TrainingInputs,
  observer: Required<RunObserver>,
  use: (context: RunContext) => Promise<T>,
): Promise<T> {
  const { config, resumed, env, started } = job;
  const print = printer(observer);
  const name = resumed?.manifest.name ?? (config.out ? basename(config.out) : runName(started, config.seed));
  const { registry, metrics, feed } = servedOf(job, inputs, name);
  // Listens before the run directory is made, so that a port that is taken leaves no files behind.
  const http = inputs.address && (await startHttp({ ...inputs.address, metrics, feed }));
  try {
    const options = { print, forceUnlock: config.forceUnlock };
    const directory = await (resumed === undefined
      ? RunDirectory.create(config.out, { name, runs: callerPath('runs', env), ...options })
      : openUnchanged(resumed, options));
    try {
      observer.onOpen(resumed?.manifest.name ?? directory.name);
      const { dataset, initial } = inputs;
      const starting = { directory, resolved: job, dataset, started, print, metricsUrl: http?.url };
      const begun = await (resumed === undefined ? start(initial, starting) : continueRun(resumed, starting));
      // The directory has another name if another run took that one in the same second.
      registry.setDefaultLabels({ run: begun.manifest.name });
      feed?.rename(begun.manifest.name);
      return await use({ ...inputs, job, directory, start: begun, registry, metrics, feed, http, observer, print });
    } finally {
      await directory.close();
    }
  } finally {
    await http?.close();
  }
}

/** Opens the directory of a run and checks, while no other process can change it, that run.json is still as it was read. */
async function openUnchanged({ path, manifest }: Resumed, options: RunDirectoryOptions): Promise<RunDirectory> {
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

/** The registry of a run's metrics and, if the live page is on, its data. */
function servedOf(
  { config, started }: TrainingJob,
  { dataset, address }: TrainingInputs,
  name: string,
): Pick<RunContext, 'registry' | 'metrics' | 'feed'> {
  const { backend, optimizer, seed, batch, iterations, shardSize } = config;
  const registry = new Registry();
  processIn(registry);
  const metrics = new RunMetrics(registry, {
    run: name,
    model: 'lenet5',
    dataset: dataset.name,
    backend,
    optimizer,
    seed,
    batch,
    version: version(),
  });
  if (address === undefined) return { registry, metrics, feed: undefined };
  const feed = new LiveFeed({
    name,
    started: started.getTime(),
    iterations,
    batch,
    shardSize,
    config: configShown(config),
    digests: { dataset: dataset.sha256, numerics: numericsDigest() },
    dataNote: dataNote(dataset.name),
  });
  return { registry, metrics, feed };
}
