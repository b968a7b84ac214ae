import { basename } from 'node:path';
import { registerDiskFamily } from '../coordinator/observe/prometheus/disk-families.ts';
import { addTarget, type Target } from '../coordinator/observe/prometheus/targets.ts';
import { startHttp } from '../coordinator/observe/web/http.ts';
import type { WebServer } from '../coordinator/observe/web/web-server.ts';
import { slurmOf } from '../coordinator/run/lock-owner.ts';
import { manifestJson, readManifest } from '../coordinator/run/manifest.ts';
import type { Resumed } from '../coordinator/run/resume.ts';
import { RunDirectory, type RunDirectoryOptions, runName } from '../coordinator/run/run-directory.ts';
import { continueRun, type RunStart, start } from '../coordinator/run/start.ts';
import { together } from '../coordinator/train/observer.ts';
import { RunDirectoryError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';
import { callerPath } from '../shared/util/paths.ts';
import { type Computing, startComputing } from './computing.ts';
import type { TrainingInputs, TrainingJob } from './inputs.ts';
import { printer, type RunObserver } from './observer.ts';
import { type Served, servedOf } from './served.ts';

/** The port on which coordinators listen for nodes by convention. */
const NODES_PORT = 9465;

/** What ends a run early. */
export interface RunEnds {
  /** Aborted: the run ends after the steps under way, with a checkpoint. */
  readonly stop: AbortSignal;
  /** Aborts `stop`: another process has taken over the run directory. */
  readonly lockLost: AbortController;
}

/** An open run: its workers, its directory, its state at the beginning of the attempt, and its metrics and live page. */
export interface RunContext extends TrainingInputs, Served, RunEnds {
  readonly job: TrainingJob;
  readonly computing: Computing;
  readonly directory: RunDirectory;
  readonly start: RunStart;
  /** The server of metrics and live page; undefined if they are off. */
  readonly http: WebServer | undefined;
  /** The caller's observers, as one. */
  readonly observer: Required<RunObserver>;
  /** Passes a sentence to them as a notice. */
  readonly print: Print;
}

/**
 * Opens a run, calls `use`, and closes the run. What may be refused, addresses and memory, is taken before the run directory is made:
 * a refusal leaves no files behind, and the corrected command can use the same directory.
 * @param ends signals that end the run
 * @throws ListenError if an address can't be used, RunDirectoryError if the directory can't be made or used, RunLockError if another
 * process holds it, CheckpointError if no checkpoint is intact, and whatever `use` throws
 */
export async function withRun<T>(
  job: TrainingJob,
  inputs: TrainingInputs,
  { observer, ends }: { readonly observer: Required<RunObserver>; readonly ends: readonly AbortSignal[] },
  use: (context: RunContext) => Promise<T>,
): Promise<T> {
  const { config, resumed, started } = job;
  const name = resumed?.manifest.name ?? (config.out ? basename(config.out) : runName(started, config.seed));
  const served = servedOf(job, inputs, name);
  const { metrics, nodes, feed } = served;
  const lockLost = new AbortController();
  const stop = AbortSignal.any([...ends, lockLost.signal]);
  let isReady = false;
  const avoid = [NODES_PORT, inputs.listening?.address?.port ?? NODES_PORT];
  const http = inputs.address && (await startHttp({ ...inputs.address, avoid, metrics, feed, isReady: () => isReady }));
  const { metricsTargets } = config;
  let target: Target | undefined;
  try {
    if (http !== undefined && metricsTargets !== undefined) target = await addTarget(metricsTargets, http.url);
    // The feed sends the nodes as they are after an event.
    const watchers = together([metrics, nodes, feed ?? {}, observer]);
    const computing = await startComputing({ config, inputs, served, observer: watchers, stop });
    try {
      const printAll = printer(watchers);
      return await withDirectory(job, { name, observer, print: printAll }, async (directory) => {
        const { dataset, initial } = inputs;
        const print = printer(observer);
        const starting = { directory, resolved: job, dataset, started, print, metricsUrl: http?.url };
        const begun = await (resumed === undefined ? start(initial, starting) : continueRun(resumed, starting));
        // The directory has another name if another run took that one in the same second.
        served.registry.setDefaultLabels({ run: begun.manifest.name, id: job.id });
        registerDiskFamily(served.registry, directory.path);
        feed?.rename(begun.manifest.name);
        const opened = { job, computing, directory, start: begun, http, observer, print, stop, lockLost };
        isReady = true;
        return await use({ ...inputs, ...served, ...opened });
      });
    } finally {
      await computing.close({ finished: false });
    }
  } finally {
    // What can't be removed is replaced by the next run; the error that ended this one is the one to report.
    await target?.remove().catch(({ message }: Error) => printer(observer)(message, 'warn'));
    await http?.close();
  }
}

async function withDirectory<T>(
  { config, resumed, env }: TrainingJob,
  { name, observer, print }: { readonly name: string; readonly observer: Required<RunObserver>; readonly print: Print },
  use: (directory: RunDirectory) => Promise<T>,
): Promise<T> {
  const proof = { slurm: slurmOf(env), id: config.lockId };
  const options = { print, force: config.forceUnlock, ...proof };
  const directory = await (resumed === undefined
    ? RunDirectory.create(config.out, { name, runs: callerPath('runs', env), logEvery: config.logEvery, ...options })
    : openUnchanged(resumed, options));
  try {
    observer.onOpen(resumed?.manifest.name ?? directory.name);
    return await use(directory);
  } finally {
    await directory.close();
  }
}

/** Opens the directory of a run and checks, while no other process can change it, that run.json is still as it was read. */
async function openUnchanged({ path, manifest }: Resumed, options: RunDirectoryOptions): Promise<RunDirectory> {
  const directory = await RunDirectory.open(path, options);
  try {
    const now = await readManifest(path);
    if (JSON.stringify(manifestJson(now)) === JSON.stringify(manifestJson(manifest))) return directory;
    throw new RunDirectoryError(`The run ${path} was changed by another process meanwhile. Try again.`, {
      isTemporary: true,
    });
  } catch (error) {
    await directory.close();
    throw error;
  }
}
