import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stepOfCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { RunDirectoryError, RunLockError } from '../../shared/util/errors.ts';
import { typedPath } from '../../shared/util/shown-path.ts';
import { CHECKPOINTS, checkpointsFolder, STEPS, stepsFile } from './files.ts';
import { lockState } from './run-lock.ts';

/** Files that remain if a run is killed before run.json was written. They hold no results. */
const LEFTOVER = /^(run\.lock.*|run\.json(\..*)?\.tmp|steps\.jsonl|checkpoints)$/;

/** Makes a folder and those above it, unless it is there. @throws the file system's error */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    // Node says so of any failure that it doesn't know, such as EROFS, since the folder isn't there then. One by one they fail by themselves.
    await makeFolder(dirname(path));
    await mkdir(path);
  });
}

/** Makes a new folder below `runs`. @returns its path */
export async function newFolder(runs: string, name: string): Promise<string> {
  await makeFolder(runs);
  for (let attempt = 1; ; attempt++) {
    const path = join(runs, attempt === 1 ? name : `${name}-${attempt}`);
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** Makes a folder that must be empty, but for leftovers. @throws RunDirectoryError or RunLockError if it can't be used */
export async function emptyFolder(path: string): Promise<string> {
  await makeFolder(path);
  // Checked before the lock file is made, so that a folder that is refused isn't changed.
  await refuseHeld(path);
  await refuseUsed(path);
  return path;
}

/** @throws RunLockError if a process of this machine writes a run there */
async function refuseHeld(path: string): Promise<void> {
  const { state, owner } = await lockState(path);
  if (state !== 'held') return;
  const resume = commandLine(`train --resume ${typedPath(path)}`, process.env);
  throw new RunLockError(
    `Process ${owner?.pid} writes a run in ${path}. Name another folder by --out. Once that process has ended, this continues its run: ${resume}`,
    { isTemporary: true },
  );
}

/** @throws RunDirectoryError if a folder holds more than the leftovers of a run that never began */
export async function refuseUsed(path: string): Promise<void> {
  const found = await readdir(path);
  const used = found.find((name) => !LEFTOVER.test(name));
  if (used !== undefined) throw notEmpty(path, used);
  for (const name of found.includes(CHECKPOINTS) ? await readdir(checkpointsFolder(path)) : []) {
    if (stepOfCheckpoint(name) !== 0 && !name.endsWith('.tmp')) throw notEmpty(path, join(CHECKPOINTS, name));
  }
  const steps = await stat(stepsFile(path)).catch(() => undefined);
  if (steps !== undefined && steps.size > 0) throw notEmpty(path, STEPS);
}

function notEmpty(path: string, found: string): RunDirectoryError {
  return new RunDirectoryError(
    `The run directory ${path} isn't empty (it holds ${found}). Name a new folder by --out, or remove this one.`,
  );
}

export function createFailure(path: string, error: NodeJS.ErrnoException): RunDirectoryError {
  const problem =
    error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a part of the path is a file, not a folder' : error.message;
  return new RunDirectoryError(
    `The run directory ${path} can't be made: ${problem}. Name a folder that you can write to by --out.`,
    { cause: error },
  );
}
