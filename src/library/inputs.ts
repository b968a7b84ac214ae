import { type Listening, listeningOf } from '../coordinator/cluster/listening.ts';
import { TARGETS } from '../coordinator/observe/prometheus/targets.ts';
import type { Destination } from '../coordinator/observe/remote-write/delivery.ts';
import { remoteWriteOf } from '../coordinator/observe/remote-write/start.ts';
import { type MetricsAddress, metricsAddressOf } from '../coordinator/observe/web/metrics-address.ts';
import { newRunId } from '../coordinator/run/manifest.ts';
import { outputFile, refuseRunFiles } from '../coordinator/run/output.ts';
import {
  notTakenText,
  type Resumed,
  refuseOtherData,
  refuseOtherWeights,
  resumedRun,
} from '../coordinator/run/resume.ts';
import type { TrainingState } from '../shared/checkpoint/checkpoint.ts';
import { augmentOf } from '../shared/config/augment-option.ts';
import { type ResolvedTrainConfig, resolveTrainConfig } from '../shared/config/config.ts';
import { classWeightsOf } from '../shared/config/loss-options.ts';
import { passedOverText, type Sources } from '../shared/config/sources.ts';
import type { Dataset } from '../shared/data/dataset.ts';
import { heldDataset } from '../shared/data/held.ts';
import { type FindOptions, findDataset } from '../shared/data/open.ts';
import { keepDataset } from '../shared/data/packed-cache.ts';
import { namedSetOf } from '../shared/data/registry.ts';
import type { Found } from '../shared/data/source.ts';
import { withValidation } from '../shared/data/validation.ts';
import { chooseKernel, type KernelChoice } from '../shared/engine/kernel-choice.ts';
import { prepareTfjs } from '../shared/engine/tfjs/load.ts';
import type { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { modelOf } from '../shared/model/registry.ts';
import { warnOfReaders } from '../shared/util/token.ts';
import type { NodeTransport } from '../shared/wire/transport.ts';
import { requireRoom } from '../worker/pool/capacity.ts';
import { CAPACITY, capacityFor, fitWorkers, memoryFor } from './capacity.ts';
import { initialWeightsOf, readingOf, refuseOtherMetric, refuseOtherModel, withModel } from './model.ts';
import { printer, type RunObserver } from './observer.ts';

/** A training to carry out: a resolved configuration and, if it continues a run, that run. */
export interface TrainingJob extends ResolvedTrainConfig {
  /** Tells runs of one name apart: the resumed run's own, or a new one. */
  readonly id: string;
  readonly started: Date;
  /** The same moment in milliseconds of `performance.now()`, which durations are counted from: the clock may be set. */
  readonly startedAt: number;
  readonly unused: readonly string[];
  /** Undefined for a new run. */
  readonly resumed: Resumed | undefined;
  /** What it is trained on, if that is in memory already; undefined: what --data names. */
  readonly dataset?: Dataset | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Resolves options to a job.
 * @throws UsageError if an option can't be used or the run to resume can't be found, RunDirectoryError if its run.json can't be used
 */
export async function resolveJob(sources: Sources, dataset?: Dataset): Promise<TrainingJob> {
  const [started, startedAt] = [new Date(), performance.now()];
  const resumed = await resumedRun(sources, CAPACITY);
  const { config, explicit, unused } = resumed ?? resolveTrainConfig(sources, CAPACITY);
  const id = resumed?.manifest.id ?? newRunId();
  return { id, started, startedAt, config, explicit, unused: unused ?? [], resumed, dataset, env: sources.env };
}

/** Stands for --listen of a run that accepts nodes without it. */
const ANY_TRANSPORT = 'transport';

/** Everything that a job reads before the run directory is made or opened. */
export interface TrainingInputs {
  /** Where to listen for nodes; undefined if this machine trains alone. */
  readonly listening: Listening | undefined;
  /** The receiver of remote write; undefined if there is none. */
  readonly remoteWrite: Destination | undefined;
  /** Where to serve metrics and the live page; undefined if they are off. */
  readonly address: MetricsAddress | undefined;
  /** The code that computes here. */
  readonly kernel: KernelChoice;
  /** Initial weights from another run; undefined if they are drawn from the seed, or are the resumed run's own. */
  readonly initial: TrainingState | undefined;
  /** Holds the data set. */
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
}

/**
 * Reads everything that a job needs before anything is made, so that a refused job leaves no files behind.
 * @param transport what nodes connect over in place of WebSocket
 * @throws UsageError if an option or a file that it names can't be used, MemoryError if the memory can't be had, BackendError if the backend can't be used, CheckpointError if
 * the initial weights can't be used, DatasetError if the data set can't be found or used
 */
export async function readInputs(
  job: TrainingJob,
  observer: Required<RunObserver>,
  transport?: NodeTransport,
): Promise<{ readonly job: TrainingJob; readonly inputs: TrainingInputs }> {
  const { resumed, env } = job;
  let { config } = job;
  if (resumed === undefined && config.out !== undefined) refuseRunFiles(config.out, '--out');
  const print = printer(observer);
  const lacking = resumed && notTakenText(resumed);
  if (lacking !== undefined) print(lacking, 'warn');
  const passedOver = passedOverText(env);
  if (passedOver !== undefined) print(passedOver, 'debug');
  for (const line of job.unused) print(line, 'warn');
  const kernel = chooseKernel(config.kernel);
  if (kernel.problem !== undefined) print(kernel.problem, 'warn');
  config = { ...config, kernel: kernel.target };
  const { tokenFile, tlsKey, metricsTokenFile, remoteWriteTokenFile } = config;
  await warnOfReaders([tokenFile, tlsKey, metricsTokenFile, remoteWriteTokenFile], (line) => print(line, 'warn'));
  const listening = await listeningOf(config, env, transport);
  const remoteWrite = await remoteWriteOf(config, env);
  const address = await metricsAddressOf(job, env);
  const { metricsTargets } = config;
  if (metricsTargets !== undefined) outputFile(metricsTargets, { option: '--metrics-targets', kind: TARGETS });
  if (config.backend === 'tfjs') prepareTfjs();
  const found = await foundOf(job, observer);
  config = { ...config, augment: augmentOf(config, found.shape) };
  if (resumed === undefined) config = await withModel(config, found.shape, print);
  else await refuseOtherModel(resumed, found.shape, print);
  refuseOtherMetric(config, modelOf(config, found.shape));
  const initial = resumed === undefined ? await initialWeightsOf(config, { env, print }) : undefined;
  const { listen } = config;
  // Nodes take memory here, whatever they come over.
  config = { ...config, listen: listening && (listen ?? ANY_TRANSPORT) };
  config = fitWorkers({ ...job, config }, capacityFor(found.shape));
  const memory = memoryFor(config, found.shape);
  config = { ...config, listen };
  const whole = await found.read(memory);
  if (resumed !== undefined) refuseOtherData(resumed, whole.sha256);
  const dataset = withValidation(whole, config.validation);
  config = { ...config, classWeights: classWeightsOf(config, dataset) };
  if (resumed !== undefined) refuseOtherWeights(resumed, config);
  else if (namedSetOf(whole.sha256) === undefined) await keepDataset(whole, { env, print });
  requireRoom(config.workers);
  return { job: { ...job, config }, inputs: { listening, remoteWrite, address, kernel, initial, memory, dataset } };
}

async function foundOf(job: TrainingJob, observer: Required<RunObserver>): Promise<Found<Dataset>> {
  const { config, dataset, resumed, env } = job;
  if (dataset !== undefined) return heldDataset(dataset);
  return findDataset({
    flag: config.data,
    reading: await readingOf(job),
    env,
    print: printer(observer),
    show: observer.onStatus,
    ...(resumed === undefined ? {} : trainedOnBy(resumed)),
  });
}

function trainedOnBy({ manifest }: Resumed): Pick<FindOptions, 'trainedOn' | 'recorded'> {
  const { config, dataset, digests } = manifest;
  return { trainedOn: digests.dataset, recorded: { ...config, name: dataset } };
}
