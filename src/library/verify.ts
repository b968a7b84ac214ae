import { type Manifest, readManifest } from '../coordinator/run/manifest.ts';
import { shownPath } from '../shared/util/shown-path.ts';
import { openRecorded, type RecomputeOptions, type Recorded } from './recorded.ts';
import type { Verification } from './verify/result.ts';
import { verifyRun } from './verify/verification.ts';

export interface VerifyOptions extends RecomputeOptions {
  /** The run directory. */
  readonly run: string;
  /** Number of spans between checkpoints to compute again, chosen at random; all if there are fewer. */
  readonly spans: number;
}

/**
 * Checks whether a run's files are those that its configuration produces, by computing parts of the run again.
 * @returns the results of all comparisons, and the number of workers that computed
 * @throws UsageError if this build or this data set isn't the run's, RunDirectoryError if run.json can't be used, DatasetError if the
 * data set can't be found, WorkerError if workers failed too often
 */
export async function verify(options: VerifyOptions): Promise<Verification & { readonly workers: number }> {
  const { run, spans, print, show } = options;
  const manifest = await readManifest(run);
  const inputs = await openRecorded(recordedIn(run, manifest), options);
  return { ...(await verifyRun({ run, manifest, spans, ...inputs, print, show })), workers: inputs.workers };
}

/** A run as it is computed again. */
export function recordedIn(run: string, { config, digests, dataset, versions }: Manifest): Recorded {
  return { shown: shownPath(run), config, digests, dataset, version: versions.lockstep };
}
