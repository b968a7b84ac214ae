import { type Manifest, readManifest } from '../coordinator/run/manifest.ts';
import { checkHeld, usefulWorkers } from '../shared/config/config.ts';
import { findDataset } from '../shared/data/open.ts';
import { namedSetOf } from '../shared/data/registry.ts';
import type { ReadingKey, ReadingOptions } from '../shared/data/source.ts';
import { withValidation } from '../shared/data/validation.ts';
import { chooseKernel } from '../shared/engine/kernel-choice.ts';
import type { KernelName } from '../shared/engine/kernel-name.ts';
import { hasNumerics, numericsOf } from '../shared/engine/numerics/numerics.ts';
import { modelOf } from '../shared/model/registry.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';
import { shortDigest, shownPath } from '../shared/util/shown-path.ts';
import { requireRoom } from '../worker/pool/capacity.ts';
import { capacityFor, memoryFor } from './capacity.ts';
import { readingFor } from './model.ts';
import { type Verification, verifyRun } from './verify/verification.ts';

export interface VerifyOptions {
  /** The run directory. */
  readonly run: string;
  /** Number of spans between checkpoints to compute again, chosen at random; all if there are fewer. */
  readonly spans: number;
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

/**
 * Checks whether a run's files are those that its configuration produces, by computing parts of the run again.
 * @returns the results of all comparisons, and the number of workers that computed
 * @throws UsageError if this build or this data set isn't the run's, RunDirectoryError if run.json can't be used, DatasetError if the
 * data set can't be found, WorkerError if workers failed too often
 */
export async function verify(options: VerifyOptions): Promise<Verification & { readonly workers: number }> {
  const { run, spans, data, env, print, show } = options;
  if (options.workers !== undefined && options.workers < 1) {
    throw new UsageError(`--workers: expected at least 1 to compute steps again, but got ${options.workers}.`);
  }
  const { problem } = chooseKernel(options.kernel ?? 'auto');
  if (problem !== undefined) print(problem, 'warn');
  const manifest = await readManifest(run);
  refuseOtherNumerics(run, manifest);
  const trainedOn = manifest.digests.dataset;
  const reading = readingFor(modelOf(manifest.config), options.reading);
  const found = await findDataset({
    flag: data,
    reading,
    env,
    trainedOn,
    recorded: { ...manifest.config, name: manifest.dataset },
    print,
    show,
  });
  const capacity = capacityFor(found.shape);
  const workers = options.workers ?? capacity.afforded(manifest.config, usefulWorkers(manifest.config));
  const config = { ...manifest.config, workers, kernel: options.kernel ?? 'auto' };
  checkHeld(config, '--workers', capacity);
  const memory = memoryFor(config, found.shape);
  const whole = await found.read(memory);
  refuseOtherData(run, manifest, whole.sha256);
  const dataset = withValidation(whole, config.validation);
  requireRoom(workers);
  return {
    ...(await verifyRun({ run, manifest, spans, workers, kernel: config.kernel, dataset, memory, print, show })),
    workers,
  };
}

function refuseOtherNumerics(run: string, { config, digests, versions }: Manifest): void {
  const computed = { layout: modelOf(config), optimizer: config.optimizer, augment: config.augment };
  if (hasNumerics(digests.numerics, computed)) return;
  throw new UsageError(
    `${shownPath(run)} can't be verified by this build: the run has the numerics ${shortDigest(digests.numerics)}, ` +
      `but these are ${shortDigest(numericsOf(computed))}. Use the build that trained it, version ${versions.lockstep ?? 'unknown'}.`,
  );
}

function refuseOtherData(run: string, { digests, dataset }: Manifest, sha256: string): void {
  if (digests.dataset === sha256) return;
  const set = namedSetOf(digests.dataset);
  const advice = set === undefined ? 'Name it by --data.' : `Add --data ${set.name}.`;
  throw new UsageError(
    `${shownPath(run)} can't be verified with this data set: the run has ${dataset}, ${shortDigest(digests.dataset)}, ` +
      `but this is ${shortDigest(sha256)}. ${advice}`,
  );
}
