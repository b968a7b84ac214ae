import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Recorded } from '../../shared/data/open.ts';
import { type Evaluation, evaluationIn, isEvaluated } from '../../shared/live/step-scalars.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import type { StepRecord } from '../train/observer.ts';
import { manifestFile, stepsFile } from './files.ts';
import { runsUnder } from './find.ts';
import { type Manifest, type RunState, readManifest } from './manifest.ts';
import { type ListedNotes, listedNotes } from './notes.ts';
import { type LockState, lockState } from './run-lock.ts';
import type { ReadableLog } from './step-file.ts';
import { parseStepLine } from './step-lines.ts';
import { newestFirst, openPart } from './step-parts.ts';
import type { Summary } from './summary.ts';

/** A run directory as `lockstep runs` lists it, with the figures of its last evaluation. */
export interface ListedRun extends Evaluation, ListedNotes {
  readonly name: string;
  readonly path: string;
  /** `crashed`: the process was killed; `unreadable`: run.json can't be read, so the optional fields are missing. */
  readonly state: RunState | 'crashed' | 'unreadable';
  /** The other host whose process holds a running run; this host can't know whether that process is alive. */
  readonly host?: string | undefined;
  /** Updates done. */
  readonly step?: number;
  /** Updates planned. */
  readonly iterations?: number;
  /** The data set's name. */
  readonly dataset?: string;
  /** The best evaluation on the validation samples; undefined if there are none, or the run has no result yet. */
  readonly best?: Summary['best'];
  /** Time at which its first attempt began. */
  readonly started?: Date;
  /** Duration of its attempts. One that was killed before the last one is left out, since nothing says when. */
  readonly seconds?: number;
  /** Time of the end, or of the last write if the run hasn't ended. */
  readonly changed: Date;
  /** Size on the disk. */
  readonly bytes: number;
}

/** A run's manifest and the state of its lock. */
export interface ReadRun {
  readonly manifest: Manifest;
  readonly lock: LockState;
}

/** Bytes at the end of a log's file that are searched, first few, then more: the file may have many GB. */
const TAILS = [1 << 16, 1 << 20];

/** The runs of a folder, newest first, then those of the folders in it. Commands use the first one if no run is named. */
export async function listRuns(folder: string): Promise<ListedRun[]> {
  const runs: ListedRun[] = [];
  for (const { path, name } of await runsUnder(folder)) runs.push(await listedRun(path, name));
  return runs;
}

/** The entry of a run directory. */
export async function listedRun(path: string, name = basename(path)): Promise<ListedRun> {
  const files = { name, path, bytes: await sizeOf(path), ...(await listedNotes(path)) };
  const changed = await lastWrite([manifestFile(path), stepsFile(path)]);
  const found = await readRun(path);
  if (found === undefined) return { ...files, state: 'unreadable', changed };
  const { config, dataset, started, ended, result } = found.manifest;
  const state = stateOf(found.manifest, found.lock);
  return {
    ...files,
    ...state,
    ...(await progressOf(path, found.manifest)),
    iterations: config.iterations,
    dataset,
    ...(result?.best && { best: result.best }),
    started: new Date(started),
    seconds: secondsOf(found.manifest, state.state === 'running' ? new Date() : changed),
    changed: ended === undefined ? changed : new Date(ended),
  };
}

/** @param now the end of the last attempt if it wrote none */
function secondsOf({ attempts }: Manifest, now: Date): number {
  const ends = attempts.map(({ ended }, i) => (ended === undefined && i === attempts.length - 1 ? now : ended));
  const lengths = attempts.map(({ started }, i) => {
    const end = ends[i];
    return end === undefined ? 0 : Math.max(0, (new Date(end).getTime() - Date.parse(started)) / 1000);
  });
  return lengths.reduce((sum, each) => sum + each, 0);
}

/** Bytes on the disk of a file, or of a folder with all its contents. Links aren't followed; a missing file has 0 bytes. */
export async function sizeOf(path: string): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  let bytes = (found?.blocks ?? 0) * 512;
  if (!found?.isDirectory()) return bytes;
  for (const name of await readdir(path).catch(() => [])) bytes += await sizeOf(join(path, name));
  return bytes;
}

async function lastWrite(files: readonly string[]): Promise<Date> {
  const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  return new Date(Math.max(...found.map((file) => file?.mtimeMs ?? 0)));
}

/** The options by which a run found its data set; undefined if its run.json can't be read. */
export async function recordedData(run: string): Promise<Recorded | undefined> {
  const manifest = (await readRun(run))?.manifest;
  return manifest && { ...manifest.config, name: manifest.dataset };
}

async function readRun(path: string): Promise<ReadRun | undefined> {
  try {
    return await openRun(path);
  } catch (error) {
    if (error instanceof RunDirectoryError) return undefined;
    throw error;
  }
}

/** @throws RunDirectoryError if its run.json can't be read */
export async function openRun(path: string): Promise<ReadRun> {
  const manifest = await readManifest(path);
  const lock = await lockState(path);
  // The process may have ended in between: it writes run.json for the last time, then releases the lock.
  const isOver = manifest.state === 'running' && lock.state === 'free';
  return { manifest: isOver ? await readManifest(path) : manifest, lock };
}

/** A run's state and, if another host's process may be training it, that host. */
export function stateOf(
  { state }: Manifest,
  lock: LockState,
): { state: Exclude<ListedRun['state'], 'unreadable'>; host?: string | undefined } {
  if (state !== 'running' || lock.state === 'held') return { state };
  return lock.state === 'foreign' ? { state, host: lock.owner?.host } : { state: 'crashed' };
}

async function progressOf(path: string, { result, attempts }: Manifest) {
  const attempt = attempts.at(-1);
  const logged = isEvaluated(evaluationIn(result)) ? {} : await endOf(stepsFile(path));
  return {
    step: result?.steps ?? attempt?.steps ?? logged.last?.step ?? attempt?.from ?? 0,
    ...evaluationIn(logged.evaluated),
    ...evaluationIn(result),
  };
}

interface LogEnd {
  readonly last?: StepRecord | undefined;
  /** The last record with an evaluation; undefined if there is none in the part that is read. */
  readonly evaluated?: StepRecord | undefined;
}

/** The last records of a log; empty if there is none, or it can't be read. Of a log that has just been rotated, its last part is read too. */
async function endOf(log: string): Promise<LogEnd> {
  const end: { last?: StepRecord | undefined; evaluated?: StepRecord | undefined } = {};
  const files = await newestFirst(log).catch(() => []);
  for (const part of files.slice(0, 2)) {
    const file = await openPart(part).catch(() => undefined);
    if (file === undefined) break;
    try {
      const { last, evaluated, isAll } = await endOfFile(file);
      end.last ??= last;
      end.evaluated ??= evaluated;
      if (end.evaluated !== undefined || !isAll) break;
    } finally {
      await file.close();
    }
  }
  return end;
}

async function endOfFile(file: ReadableLog): Promise<LogEnd & { readonly isAll: boolean }> {
  const size = await file.size();
  let found: LogEnd = {};
  for (const length of TAILS) {
    // What follows the last line feed is an incomplete line.
    const lines = String(await file.read(Math.max(0, size - length), length))
      .split('\n')
      .slice(0, -1);
    found = {
      last: lastRecord(lines),
      evaluated: lastRecord(lines.filter((line) => /"test\w+":/.test(line))),
    };
    if (found.evaluated !== undefined || length >= size) return { ...found, isAll: length >= size };
  }
  return { ...found, isAll: false };
}

function lastRecord(lines: readonly string[]): StepRecord | undefined {
  for (const line of lines.toReversed()) {
    const record = parseStepLine(line);
    if (record !== undefined) return record;
  }
  return undefined;
}
