import { type Listening, listeningOf } from '../coordinator/cluster/listening.ts';
import type { Destination } from '../coordinator/observe/remote-write/delivery.ts';
import { remoteWriteOf } from '../coordinator/observe/remote-write/start.ts';
import { type MetricsAddress, metricsAddressOf } from '../coordinator/observe/web/metrics-address.ts';
import { notTakenText, type Resumed, refuseOtherData, resumedRun } from '../coordinator/run/resume.ts';
import { initialState } from '../coordinator/run/start.ts';
import type { TrainingState } from '../shared/checkpoint/checkpoint.ts';
import { type ResolvedTrainConfig, resolveTrainConfig } from '../shared/config/config.ts';
import type { Sources } from '../shared/config/sources.ts';
import type { Dataset } from '../shared/data/dataset.ts';
import { openDataset } from '../shared/data/open.ts';
import { prepareTfjs } from '../shared/engine/tfjs/load.ts';
import { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { printer, type RunObserver } from './observer.ts';

/** What is to be trained: a resolved configuration, and the run that it continues. */
export interface TrainingJob extends ResolvedTrainConfig {
  readonly started: Date;
  /** Undefined: a new run. */
  readonly resumed: Resumed | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * The job that options ask for.
 * @throws UsageError, RunDirectoryError
 */
export async function resolveJob(sources: Sources): Promise<TrainingJob> {
  const started = new Date();
  const resumed = await resumedRun(sources);
  const { config, explicit } = resumed ?? resolveTrainConfig(sources);
  return { started, config, explicit, resumed, env: sources.env };
}

/** Everything that a job needs from outside. */
export interface TrainingInputs {
  /** Undefined: this machine trains alone. */
  readonly listening: Listening | undefined;
  /** Undefined: steps aren't sent anywhere. */
  readonly remoteWrite: Destination | undefined;
  /** Undefined: neither metrics nor a live page. */
  readonly address: MetricsAddress | undefined;
  /** Weights of another run to begin with; undefined: drawn from the seed, or the resumed run's own. */
  readonly initial: TrainingState | undefined;
  /** Holds the data set. */
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
}

/**
 * Reads everything that a job needs before anything is made, so that what is refused leaves nothing behind.
 * @throws UsageError, BackendError, CheckpointError, DatasetError
 */
export async function readInputs(job: TrainingJob, observer: Required<RunObserver>): Promise<TrainingInputs> {
  const { config, resumed, env } = job;
  const print = printer(observer);
  const lacking = resumed && notTakenText(resumed);
  if (lacking !== undefined) print(lacking);
  const listening = await listeningOf(config, env);
  const remoteWrite = await remoteWriteOf(config, env);
  const address = await metricsAddressOf(job, env);
  if (config.backend === 'tfjs') prepareTfjs();
  const initial = resumed === undefined ? await initialState(config) : undefined;
  const memory = new SharedMemory();
  const dataset = await openDataset({
    flag: config.data,
    env,
    print,
    allocate: (length) => memory.bytes(length),
    show: observer.onStatus,
    ...(resumed === undefined ? {} : { trainedOn: resumed.manifest.digests.dataset }),
  });
  if (resumed !== undefined) refuseOtherData(resumed, dataset.sha256);
  return { listening, remoteWrite, address, initial, memory, dataset };
}
