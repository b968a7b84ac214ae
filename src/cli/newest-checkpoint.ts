import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../shared/errors.ts';

const CHECKPOINT = /^step-\d{8,}\.safetensors$/;

/**
 * The checkpoint that a person means: `path` where it is a file, the last one of a run where it is its directory, and that
 * of the newest run below `runs` where it is undefined. A path that isn't there is returned as it is: reading it says so.
 * @throws CheckpointError where a run or a folder of runs holds no checkpoint
 */
export async function findCheckpoint(path: string | undefined, runs: string): Promise<string> {
  if (path === undefined) return newestCheckpoint(runs);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  const last = await lastCheckpoint(path);
  if (last !== undefined) return last;
  throw new CheckpointError(
    `${path} holds no checkpoint: expected a run directory with checkpoints/step-….safetensors. Name a checkpoint or another run.`,
    { file: path },
  );
}

/** By when run.json was last written. */
async function newestCheckpoint(runs: string): Promise<string> {
  const found: { checkpoint: string; time: number }[] = [];
  for (const name of await namesIn(runs)) {
    const run = join(runs, name);
    const checkpoint = await lastCheckpoint(run);
    if (checkpoint !== undefined) found.push({ checkpoint, time: await timeOf(join(run, 'run.json')) });
  }
  const newest = found.sort((a, b) => b.time - a.time)[0];
  if (newest !== undefined) return newest.checkpoint;
  throw new CheckpointError(`There is no run with a checkpoint below ${runs}. Train one, or name a checkpoint.`, {
    file: runs,
  });
}

async function lastCheckpoint(run: string): Promise<string | undefined> {
  const folder = join(run, 'checkpoints');
  const names = (await namesIn(folder)).filter((name) => CHECKPOINT.test(name));
  const last = names.sort((a, b) => stepOf(a) - stepOf(b)).at(-1);
  return last === undefined ? undefined : join(folder, last);
}

function stepOf(name: string): number {
  return Number.parseInt(name.slice('step-'.length), 10);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

async function timeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return 0;
  }
}
