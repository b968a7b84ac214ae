import { type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import type { StepRecord } from '../train/observer.ts';
import { manifestFile, stepsFile } from './files.ts';
import { runsIn } from './find.ts';
import { type Manifest, type RunState, readManifest } from './manifest.ts';
import { type LockState, lockState } from './run-lock.ts';
import { parseStepLine } from './step-lines.ts';

/** A run directory as `lockstep runs` lists it. */
export interface ListedRun {
  readonly name: string;
  readonly path: string;
  /** Crashed: its process was killed. Unreadable: its run.json can't be read, and nothing more is known. */
  readonly state: RunState | 'crashed' | 'unreadable';
  /** Of a running one: another host that holds it; nobody here can tell whether that lives. */
  readonly host?: string | undefined;
  /** Updates done, of so many. */
  readonly step?: number;
  readonly iterations?: number;
  /** 0..1, at the last evaluation. */
  readonly testAccuracy?: number | undefined;
  /** The data set's name. */
  readonly dataset?: string;
  /** When it ended, or was last written. */
  readonly changed: Date;
  /** On the disk. */
  readonly bytes: number;
}

/** A run's manifest, and who holds the run. */
export interface ReadRun {
  readonly manifest: Manifest;
  readonly lock: LockState;
}

/** How much of the end of steps.jsonl is read, less first: the file may have many GB. */
const TAILS = [1 << 16, 1 << 20];

/** The runs below a folder; the first is the one that commands take where none is named. */
export async function listRuns(folder: string): Promise<ListedRun[]> {
  const runs: ListedRun[] = [];
  for (const path of await runsIn(folder)) runs.push(await listedRun(path));
  return runs;
}

async function listedRun(path: string): Promise<ListedRun> {
  const files = { name: basename(path), path, bytes: await sizeOf(path) };
  const changed = await lastWrite([manifestFile(path), stepsFile(path)]);
  const found = await readRun(path);
  if (found === undefined) return { ...files, state: 'unreadable', changed };
  const { config, dataset, ended } = found.manifest;
  return {
    ...files,
    ...stateOf(found.manifest, found.lock),
    ...(await progressOf(path, found.manifest)),
    ...{ iterations: config.iterations, dataset, changed: ended === undefined ? changed : new Date(ended) },
  };
}

/** Bytes on the disk of a file, or of a folder with all below it; links aren't followed. What has vanished takes none. */
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

/** Undefined where its run.json can't be read. */
export async function readRun(path: string): Promise<ReadRun | undefined> {
  try {
    return await openRun(path);
  } catch (error) {
    if (error instanceof RunDirectoryError) return undefined;
    throw error;
  }
}

/** @throws RunDirectoryError where its run.json can't be read */
export async function openRun(path: string): Promise<ReadRun> {
  const manifest = await readManifest(path);
  const lock = await lockState(path);
  // A process that ended since gave the lock back after its last word in run.json.
  const isOver = manifest.state === 'running' && lock.state === 'free';
  return { manifest: isOver ? await readManifest(path) : manifest, lock };
}

export function stateOf(
  { state }: Manifest,
  lock: LockState,
): { state: Exclude<ListedRun['state'], 'unreadable'>; host?: string | undefined } {
  if (state !== 'running' || lock.state === 'held') return { state };
  return lock.state === 'foreign' ? { state, host: lock.owner?.host } : { state: 'crashed' };
}

async function progressOf(path: string, { result, attempts }: Manifest) {
  const attempt = attempts.at(-1);
  const logged = result?.testAccuracy === undefined ? await endOf(stepsFile(path)) : {};
  return {
    step: result?.steps ?? attempt?.steps ?? logged.last?.step ?? attempt?.from ?? 0,
    testAccuracy: result?.testAccuracy ?? logged.evaluated?.testAccuracy,
  };
}

interface LogEnd {
  readonly last?: StepRecord | undefined;
  /** The last one with an evaluation; undefined also where that lies further back than is read. */
  readonly evaluated?: StepRecord | undefined;
}

/** What the end of a steps.jsonl says; nothing where there is none. */
async function endOf(file: string): Promise<LogEnd> {
  const log = await open(file).catch(() => undefined);
  if (log === undefined) return {};
  try {
    const { size } = await log.stat();
    let found: LogEnd = {};
    for (const length of TAILS) {
      // Behind the last line feed: a line half written.
      const lines = (await textFrom(log, Math.max(0, size - length), length)).split('\n').slice(0, -1);
      found = { last: lastRecord(lines), evaluated: lastRecord(lines.filter((line) => line.includes('testAccuracy'))) };
      if (found.evaluated !== undefined || length >= size) break;
    }
    return found;
  } finally {
    await log.close();
  }
}

async function textFrom(log: FileHandle, position: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await log.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString('utf8', 0, bytesRead);
}

function lastRecord(lines: readonly string[]): StepRecord | undefined {
  for (const line of lines.toReversed()) {
    const record = parseStepLine(line);
    if (record !== undefined) return record;
  }
  return undefined;
}
