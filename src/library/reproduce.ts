import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { checkpointsFolder } from '../coordinator/run/files.ts';
import { firstIntact, passedOver } from '../coordinator/run/first-intact.ts';
import { readManifest } from '../coordinator/run/manifest.ts';
import { ownCheckpoint } from '../coordinator/run/own-checkpoint.ts';
import { type Checkpoint, trainingStateOf, weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import { checkpointsIn, stepOfCheckpoint } from '../shared/checkpoint/checkpoint-file.ts';
import { namedSetOf } from '../shared/data/registry.ts';
import { modelOf } from '../shared/model/registry.ts';
import { canonicalJson } from '../shared/util/canonical-json.ts';
import { UsageError } from '../shared/util/errors.ts';
import { readPlainFile } from '../shared/util/plain-file.ts';
import { shownPath } from '../shared/util/shown-path.ts';
import { computeReceipt, type ReceiptDifference } from './receipt/compute.ts';
import { MAX_RECEIPT_BYTES, type ReadReceipt, type Receipt, readReceipt, receiptOf } from './receipt/receipt.ts';
import { checkSignature, type SignatureCheck } from './receipt/signature.ts';
import { openRecorded, type RecomputeOptions, type Recorded } from './recorded.ts';
import { checkFiles, type FilesCheck } from './verify/check-files.ts';
import type { Verification } from './verify/result.ts';
import { verifyRun } from './verify/verification.ts';
import { recordedIn } from './verify.ts';

export interface ReproduceOptions extends RecomputeOptions {
  /** Number of steps at the end to compute, from the nearest checkpoint before them; undefined: all. */
  readonly steps?: number | undefined;
}

/**
 * Trains a run again, from its beginning or from one of its checkpoints to its end without looking at those between, and compares
 * everything with its files. It only reads, so the run may be running.
 * @throws UsageError, RunDirectoryError, DatasetError and WorkerError as `verify`
 */
export async function reproduceRun(
  run: string,
  options: ReproduceOptions,
): Promise<Verification & { readonly workers: number }> {
  const { print, show, steps } = options;
  const manifest = await readManifest(run);
  const inputs = await openRecorded(recordedIn(run, manifest), options);
  const done = manifest.attempts.at(-1)?.steps ?? manifest.config.iterations;
  const continuousFrom = steps === undefined ? 0 : Math.max(0, done - steps);
  const found = await verifyRun({ run, manifest, spans: 0, continuousFrom, ...inputs, print, show });
  const { spans } = found.recomputed;
  const isWhole = spans.at(-1)?.to === found.log.last && (spans[0]?.from ?? 1) <= continuousFrom;
  return { ...found, same: found.same && isWhole, workers: inputs.workers };
}

/** What was found of a receipt, as `lockstep reproduce --json` prints it. */
export interface ReceiptCheck {
  readonly receipt: string;
  /** Whether everything that was compared is the same. */
  readonly same: boolean;
  /** What the receipt says. */
  readonly contents: Receipt;
  /** What in it contradicts itself. */
  readonly problems: readonly string[];
  readonly signature: SignatureCheck;
  /** The run or checkpoint with which it was compared. */
  readonly compared?: ReceiptComparison;
  readonly recomputed?: {
    /** Updates done before the part that was computed. */
    readonly from: number;
    readonly to: number;
    readonly workers: number;
    readonly differences: readonly ReceiptDifference[];
  };
}

export interface ReceiptComparison {
  readonly path: string;
  /** The fields of the receipt that the other has otherwise. */
  readonly differences: readonly ReceiptDifference[];
  /** What in the files of a run contradicts itself. */
  readonly files?: Pick<FilesCheck, 'same' | 'log' | 'chain' | 'stated' | 'damaged'>;
}

export interface ReceiptOptions {
  /** The receipt's file. */
  readonly file: string;
  /** A file with the public key by which it must be signed. */
  readonly key: string | undefined;
  /** A run directory, or a checkpoint. */
  readonly with: string | undefined;
}

/**
 * Checks a receipt against itself and, if one is named, a run directory or a checkpoint, without computing anything again.
 * @throws UsageError if it isn't a receipt, or a key can't be used; CheckpointError if the checkpoint is another run's
 */
export async function validateReceipt({ file, key, with: other }: ReceiptOptions): Promise<ReceiptCheck> {
  const { read, ...own } = await readOwn(file, key);
  if (other === undefined) return own;
  const compared = await ((await isFolder(other)) ? comparedRun(read, other) : comparedCheckpoint(read, other));
  const { differences, files } = compared;
  return { ...own, compared, same: own.same && differences.length === 0 && (files?.same ?? true) };
}

/**
 * Trains a receipt's run again, and compares the result.
 * @throws UsageError, DatasetError and WorkerError as `verify`
 */
export async function reproduceReceipt(options: ReceiptOptions & ReproduceOptions): Promise<ReceiptCheck> {
  const { print, show } = options;
  const { read, ...own } = await readOwn(options.file, options.key);
  // Nothing says what would have to be computed.
  if (!own.same) return own;
  const { steps: to } = read.receipt.result;
  const start = await startOf(read, options);
  const inputs = await openRecorded(recordedOf(read, options.file), options);
  const from = start?.step ?? 0;
  const onStep = (step: number): void =>
    show(`Computing step ${step.toLocaleString('en-US')} of ${to.toLocaleString('en-US')}`);
  const differences = await computeReceipt({ read, start, ...inputs, onStep });
  show('');
  if (from > 0) print(`Began from the checkpoint of step ${from}: what led to it wasn't computed.`);
  const { workers } = inputs;
  return { ...own, same: differences.length === 0, recomputed: { from, to, workers, differences } };
}

async function readOwn(file: string, key: string | undefined): Promise<ReceiptCheck & { readonly read: ReadReceipt }> {
  let text: string;
  try {
    text = String(await readPlainFile(file, MAX_RECEIPT_BYTES));
  } catch (error) {
    throw new UsageError(`The receipt ${shownPath(file)} can't be read: ${(error as Error).message}. Name another.`, {
      cause: error,
    });
  }
  const read = readReceipt(text, file);
  const { problems, receipt } = read;
  const signature = await checkSignature(receipt, key);
  const same = problems.length === 0 && signature.same;
  return { read, receipt: file, same, contents: receipt, problems, signature };
}

function recordedOf({ receipt, config }: ReadReceipt, file: string): Recorded {
  const { digests, dataset, lockstep: version } = receipt;
  return { shown: shownPath(file), config, digests, dataset, version };
}

/** The checkpoint to begin from; undefined for the run's own beginning. */
async function startOf(
  { receipt, config, owner }: ReadReceipt,
  { steps, with: other, print, file }: ReceiptOptions & ReproduceOptions,
): Promise<Checkpoint | undefined> {
  const { result, digests } = receipt;
  const wanted = steps === undefined ? 0 : Math.max(0, result.steps - steps);
  if (wanted === 0 && digests.init === undefined) return undefined;
  const needed = wanted === 0 ? 'its initial weights, those of step 0' : `a checkpoint at or before step ${wanted}`;
  if (other === undefined) {
    throw new UsageError(`${shownPath(file)}: computing it needs ${needed}. Name a run directory or file by --with.`);
  }
  const all = (await isFolder(other))
    ? await checkpointsIn(checkpointsFolder(other))
    : [{ file: other, step: stepOfCheckpoint(basename(other)) ?? 0 }];
  const near = all.filter(({ step }) => step <= wanted).map((each) => each.file);
  const layout = modelOf(config);
  const found = await firstIntact(near, (each) => ownCheckpoint(each, owner, layout), passedOver(print));
  if (found !== undefined) return found;
  if (digests.init === undefined) {
    print(`${shownPath(other)} has no checkpoint that fits, so all steps are computed.`);
    return undefined;
  }
  throw new UsageError(`${shownPath(other)} has no checkpoint that fits: computing it needs ${needed}. Name another.`);
}

async function comparedRun({ receipt }: ReadReceipt, run: string): Promise<ReceiptComparison> {
  const manifest = await readManifest(run);
  const own = receiptOf(manifest, shownPath(run));
  const dataset = namedSetOf(manifest.digests.dataset)?.name ?? manifest.dataset;
  const { same, log, chain, stated, damaged } = await checkFiles({ run, manifest, dataset });
  const differing = (['config', 'digests', 'result'] as const).flatMap((part) =>
    leafDifferences(part, receipt[part], own[part]),
  );
  return { path: run, differences: differing, files: { same, log, chain, stated, damaged } };
}

/** The names of versions and data sets decide nothing, so they may differ. */
function leafDifferences(part: string, receipt: object, found: object): ReceiptDifference[] {
  const [ours, theirs] = [receipt, found].map((each) => new Map(Object.entries(each)));
  const keys = [...new Set([...(ours?.keys() ?? []), ...(theirs?.keys() ?? [])])];
  return keys.flatMap((key) => {
    const [a, b] = [textOf(ours?.get(key)), textOf(theirs?.get(key))];
    return a === b ? [] : [{ field: `${part}.${key}`, receipt: a, found: b }];
  });
}

function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : canonicalJson(value);
}

async function comparedCheckpoint({ receipt, config, owner }: ReadReceipt, file: string): Promise<ReceiptComparison> {
  const layout = modelOf(config);
  const checkpoint = await ownCheckpoint(file, owner, layout);
  const { steps, chain, weightsSha256: expected } = receipt.result;
  // What an earlier step had, a receipt doesn't say.
  if (checkpoint.step !== steps) {
    throw new UsageError(
      `${shownPath(file)} is of step ${checkpoint.step}, but the receipt says only what step ${steps} had. ` +
        `To compute on from it: --steps ${steps - checkpoint.step}, without --validate.`,
    );
  }
  const { weights } = trainingStateOf(checkpoint, layout);
  const pairs = [
    ['weightsSha256', expected, weightsSha256(weights)],
    ['chain', chain, checkpoint.chain ?? null],
  ] as const;
  const wrong = pairs.filter(([, ours, theirs]) => ours !== theirs);
  return {
    path: file,
    differences: wrong.map(([key, ours, found]) => ({ field: `result.${key}`, receipt: ours, found })),
  };
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw new UsageError(`${shownPath(path)} can't be found: ${(error as Error).message}. Name a run or a file.`, {
      cause: error,
    });
  }
}
