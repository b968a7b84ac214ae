import type { Manifest } from '../coordinator/run/manifest.ts';
import { checkHeld, type TrainConfig, usefulWorkers } from '../shared/config/config.ts';
import type { Dataset } from '../shared/data/dataset.ts';
import { findDataset } from '../shared/data/open.ts';
import { namedSetOf } from '../shared/data/registry.ts';
import type { ReadingKey, ReadingOptions } from '../shared/data/source.ts';
import { withValidation } from '../shared/data/validation.ts';
import { chooseKernel } from '../shared/engine/kernel-choice.ts';
import type { KernelName } from '../shared/engine/kernel-name.ts';
import { hasNumerics, numericsOf } from '../shared/engine/numerics/numerics.ts';
import type { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { modelOf } from '../shared/model/registry.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';
import { shortDigest } from '../shared/util/shown-path.ts';
import { requireRoom } from '../worker/pool/capacity.ts';
import { capacityFor, memoryFor } from './capacity.ts';
import { readingFor } from './model.ts';

/** A training that is computed again: a run's, or a receipt's. */
export interface Recorded {
  /** What it is called in messages. */
  readonly shown: string;
  readonly config: TrainConfig;
  readonly digests: Pick<Manifest['digests'], 'dataset' | 'numerics'>;
  /** The data set's name. */
  readonly dataset: string;
  /** The version of Lockstep that trained it, if that is known. */
  readonly version?: string | undefined;
}

export interface RecomputeOptions {
  /** Number of worker threads, which may differ from the run's (default: as many as the machine and the batch allow). */
  readonly workers?: number | undefined;
  /** The code that computes, whichever the run had (default: auto). */
  readonly kernel?: KernelName | undefined;
  /** A folder or file with a data set, or the name of one such as `synthetic` (default: the set that the run was trained on). */
  readonly data?: string | undefined;
  /** How it is read, if not as the run read it. */
  readonly reading?: Pick<ReadingOptions, ReadingKey>;
  readonly env: NodeJS.ProcessEnv;
  readonly print: Print;
  /** Shows a temporary text about the progress; an empty text removes it. */
  readonly show: (text: string) => void;
}

/** What computing again needs. */
export interface RecordedInputs {
  readonly workers: number;
  readonly kernel: KernelName;
  /** The data set, which is in `memory`. */
  readonly dataset: Dataset;
  /** Not sealed yet. */
  readonly memory: SharedMemory;
}

/**
 * Reads what it takes to compute something again.
 * @throws UsageError if this build or this data set isn't the recorded one, DatasetError if the data set can't be found
 */
export async function openRecorded(recorded: Recorded, options: RecomputeOptions): Promise<RecordedInputs> {
  const { data, env, print, show, kernel = 'auto' } = options;
  if (options.workers !== undefined && options.workers < 1) {
    throw new UsageError(`--workers: expected at least 1 to compute steps again, but got ${options.workers}.`);
  }
  const { problem } = chooseKernel(kernel);
  if (problem !== undefined) print(problem, 'warn');
  refuseOtherNumerics(recorded);
  const trainedOn = recorded.digests.dataset;
  const reading = readingFor(modelOf(recorded.config), options.reading);
  const named = { ...recorded.config, name: recorded.dataset };
  const found = await findDataset({ flag: data, reading, env, trainedOn, recorded: named, print, show });
  const capacity = capacityFor(found.shape);
  const workers = options.workers ?? capacity.afforded(recorded.config, usefulWorkers(recorded.config));
  const config = { ...recorded.config, workers, kernel };
  checkHeld(config, '--workers', capacity);
  const memory = memoryFor(config, found.shape);
  const whole = await found.read(memory);
  refuseOtherData(recorded, whole.sha256);
  const dataset = withValidation(whole, config.validation);
  requireRoom(workers);
  return { workers, kernel, dataset, memory };
}

function refuseOtherNumerics({ shown, config, digests, version }: Recorded): void {
  const { optimizer, augment, replicas, schedule } = config;
  const computed = { layout: modelOf(config), optimizer, augment, replicas, schedule };
  if (hasNumerics(digests.numerics, computed)) return;
  throw new UsageError(
    `${shown} can't be verified by this build: the run has the numerics ${shortDigest(digests.numerics)}, ` +
      `but these are ${shortDigest(numericsOf(computed))}. Use the build that trained it, version ${version ?? 'unknown'}.`,
  );
}

function refuseOtherData({ shown, digests, dataset }: Recorded, sha256: string): void {
  if (digests.dataset === sha256) return;
  const set = namedSetOf(digests.dataset);
  const advice = set === undefined ? 'Name it by --data.' : `Add --data ${set.name}.`;
  throw new UsageError(
    `${shown} can't be verified with this data set: the run has ${dataset}, ${shortDigest(digests.dataset)}, ` +
      `but this is ${shortDigest(sha256)}. ${advice}`,
  );
}
