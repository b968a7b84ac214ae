import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Comparison, comparableFields, compareSteps } from '../../coordinator/run/compare.ts';
import { checkpointsFolder, stepsFile } from '../../coordinator/run/files.ts';
import { findRun } from '../../coordinator/run/find.ts';
import { type ListedRun, listRuns as listBelow, openRun as readRun, stateOf } from '../../coordinator/run/list.ts';
import type { Manifest } from '../../coordinator/run/manifest.ts';
import { type Notes, problemOf, readNotes, writeNotes } from '../../coordinator/run/notes.ts';
import { findModel } from '../../coordinator/run/saved-model.ts';
import { readSteps } from '../../coordinator/run/step-reader.ts';
import type { Summary } from '../../coordinator/run/summary.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { checkpointName, checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { bestBy, type ValidationState } from '../../shared/checkpoint/validation-state.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { KernelName } from '../../shared/engine/kernel-name.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { makeReceipt } from '../receipt/make.ts';
import type { Receipt } from '../receipt/receipt.ts';
import { reproduceRun } from '../reproduce.ts';
import type { Verification } from '../verify/result.ts';
import { verify } from '../verify.ts';
import { type Environment, NO_ENVIRONMENT } from './environment.ts';
import { Network } from './network.ts';

/** Spans between checkpoints that a verification computes again. */
const DEFAULT_SPANS = 3;

/** How part of a run is computed again. */
export interface RecomputeRunOptions {
  /** Worker threads, which may be more or fewer than the run had (default: as many as the machine and the batch allow). */
  readonly workers?: number;
  /** The code that computes, whichever the run had (default: `auto`). */
  readonly kernel?: KernelName;
  /** A folder or file with the data set, or its name (default: the set that the run was trained on). */
  readonly data?: string;
  readonly environment?: Environment;
  readonly onNotice?: Print;
  /** Called with a temporary text about the progress; an empty text removes it. */
  readonly onStatus?: (text: string) => void;
}

export interface VerifyRunOptions extends RecomputeRunOptions {
  /** Spans between checkpoints to compute again, chosen at random (default: 3; `all`: every step). */
  readonly spans?: number | 'all';
}

export interface ReproduceRunOptions extends RecomputeRunOptions {
  /** Steps at the end to compute, from the nearest checkpoint before them (default: all). */
  readonly steps?: number;
}

/** What was compared of a run, and whether it was the same. */
export type RunCheck = Verification & { readonly workers: number };

/** Which weights of a run are taken. */
export interface NetworkOptions {
  /** Of which step's checkpoint the weights are (default: the last one that is intact). */
  readonly step?: number | 'best';
  /** Called with a line for each damaged checkpoint that is passed over. */
  readonly onNotice?: Print;
}

/** The step of an evaluation, and its figures on the validation samples. */
export type BestEvaluation = NonNullable<ValidationState['best']>;

/** The directory of a run, and what run.json said when it was opened. */
export class Run {
  /** The run directory, absolute. */
  readonly path: string;
  readonly name: string;
  /** Tells runs of one name apart; undefined for runs of versions that wrote none. */
  readonly id: string | undefined;
  /** `crashed`: its process was killed; it can be resumed. */
  readonly state: Exclude<ListedRun['state'], 'unreadable'>;
  /** All options, decided. */
  readonly config: TrainConfig;
  /** The data set's name. */
  readonly dataset: string;
  /** The result of its last attempt; undefined if that was killed, failed or is under way. */
  readonly result: Summary | undefined;
  readonly #manifest: Manifest;

  /** @internal `openRun` opens one. */
  protected constructor(path: string, manifest: Manifest, state: Run['state']) {
    this.path = path;
    this.#manifest = manifest;
    this.name = manifest.name;
    this.id = manifest.id;
    this.state = state;
    this.config = manifest.config;
    this.dataset = manifest.dataset;
    this.result = manifest.result;
  }

  /** @internal `openRun` finds it by its name too. @throws RunDirectoryError if run.json can't be read */
  static async open(path: string): Promise<Run> {
    const { manifest, lock } = await readRun(path);
    return new Run(path, manifest, stateOf(manifest, lock).state);
  }

  /** SHA-256 of the weights with which the last attempt ended; undefined as `result` is. */
  get weightsSha256(): string | undefined {
    return this.result?.weightsSha256;
  }

  /**
   * The trained network of a checkpoint.
   * @throws CheckpointError if there is none, or it is damaged; UsageError if no checkpoint is the best
   */
  async network(options: NetworkOptions = {}): Promise<Network> {
    const { step, onNotice: print = () => {} } = options;
    const wanted = step === 'best' ? await this.#bestStep() : step;
    const file = wanted === undefined ? this.path : join(checkpointsFolder(this.path), checkpointName(wanted));
    return new Network(await findModel(file, { env: NO_ENVIRONMENT, print }));
  }

  /**
   * The best evaluation on the validation samples, by what `keepBest` names; undefined if there was none. Of a run without a result, such
   * as one that trains, it is what the last checkpoint that is intact knows: with `keepBest` that is every one until now.
   * @throws CheckpointError if no checkpoint can be used
   */
  async best(): Promise<BestEvaluation | undefined> {
    if (this.result !== undefined) return this.result.best;
    if ((await this.checkpoints()).length === 0) return undefined;
    const { checkpoint } = await findModel(this.path, { env: NO_ENVIRONMENT, print: () => {} });
    return bestBy(this.config.keepBest, checkpoint.validation);
  }

  async #bestStep(): Promise<number> {
    const best = await this.best();
    if (best !== undefined) return best.step;
    throw new UsageError(`${this.path} has no best checkpoint: it was trained without validation, or has none yet.`);
  }

  /** The checkpoints that are there, newest first. */
  checkpoints(): Promise<readonly { readonly file: string; readonly step: number }[]> {
    return checkpointsIn(checkpointsFolder(this.path));
  }

  /**
   * The steps in the log, in order, read as they are asked for.
   * @throws RunDirectoryError if a file of the log is missing or damaged
   */
  steps(): AsyncIterable<StepRecord> {
    return readSteps(stepsFile(this.path));
  }

  /** Tags and a note (notes.json). @throws RunDirectoryError if they can't be read */
  notes(): Promise<Notes> {
    return readNotes(this.path);
  }

  /** Replaces tags and note. @throws UsageError if they are too long or too many, RunDirectoryError if they can't be written */
  async setNotes(notes: Notes): Promise<void> {
    const problem = problemOf(notes);
    if (problem !== undefined) throw new UsageError(`The notes can't be used: ${problem}.`);
    await writeNotes(this.path, notes);
  }

  /**
   * Checks whether the run's files are those that its configuration produces, by computing parts of it again. Only reads.
   * @throws UsageError if this build or data set isn't the run's, RunDirectoryError if run.json can't be used, DatasetError if the data
   * set can't be found, WorkerError if workers failed too often
   */
  verify(options: VerifyRunOptions = {}): Promise<RunCheck> {
    const { spans = DEFAULT_SPANS, ...others } = options;
    const count = spans === 'all' ? Number.POSITIVE_INFINITY : spans;
    return verify({ run: this.path, spans: count, ...recomputeOptions(others) });
  }

  /** Computes the run again and compares everything with its files. Only reads. @throws as `verify` */
  reproduce(options: ReproduceRunOptions = {}): Promise<RunCheck> {
    const { steps, ...others } = options;
    return reproduceRun(this.path, { steps, ...recomputeOptions(others) });
  }

  /**
   * What it takes for somebody else to reproduce the run: a few hundred bytes of JSON.
   * @param options `signKey`: a file with an Ed25519 private key that signs it
   * @throws UsageError if the run hasn't ended, its files contradict each other, or the key can't be used
   */
  receipt(options: { readonly signKey?: string } = {}): Promise<Receipt> {
    const { signKey } = options;
    return makeReceipt(this.path, signKey === undefined ? undefined : callerPath(signKey, NO_ENVIRONMENT));
  }

  /** Compares the logs of two runs step by step. @throws RunDirectoryError if one can't be read */
  compare(other: Run): Promise<Comparison> {
    const [a, b] = [this, other].map((run) => ({ log: stepsFile(run.path), manifest: run.#manifest }));
    const both = [a, b] as [NonNullable<typeof a>, NonNullable<typeof b>];
    return compareSteps(both, comparableFields([this.#manifest, other.#manifest]));
  }
}

/** A run whose last attempt has ended with a result. */
export class EndedRun extends Run {
  declare readonly result: Summary;

  /** @internal */
  static override async open(path: string): Promise<EndedRun> {
    const { manifest, lock } = await readRun(path);
    return new EndedRun(path, manifest, stateOf(manifest, lock).state);
  }

  override get weightsSha256(): string {
    return this.result.weightsSha256;
  }
}

function recomputeOptions(options: RecomputeRunOptions) {
  const { environment: env = NO_ENVIRONMENT, onNotice: print = () => {}, onStatus: show = () => {}, ...rest } = options;
  return { ...rest, env, print, show };
}

/**
 * Opens a run's directory.
 * @param run its path, its name below runs/, or `latest`
 * @throws UsageError if there is none, RunDirectoryError if run.json can't be read
 */
export async function openRun(run: string): Promise<Run> {
  return Run.open(await findRun(run, NO_ENVIRONMENT));
}

/** The runs below a folder, newest first; also those that are under way, were killed, or can't be read. @throws UsageError if there is no such folder */
export async function listRuns(folder = 'runs'): Promise<ListedRun[]> {
  const path = callerPath(folder, NO_ENVIRONMENT);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return listBelow(path);
  throw new UsageError(`Expected a folder of runs, but ${path} is none.`);
}

/** Checks a run by computing parts of it again; see `Run.verify`. */
export async function verifyRun(run: string, options: VerifyRunOptions = {}): Promise<RunCheck> {
  return (await openRun(run)).verify(options);
}
