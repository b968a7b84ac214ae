import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { checkpointsFolder, manifestFile } from './files.ts';

/** The number of colours for curves. */
const MAX_RUNS = 6;

/**
 * The checkpoints that a path stands for, in order of preference: `path` alone if it is a file; if it is a run directory, that run's
 * checkpoints, newest first; if it is undefined, those of the newest run below `runs` that has any. A missing path is returned
 * as it is, and fails when it is read.
 * @throws CheckpointError if a run or a folder of runs holds no checkpoint
 */
export async function findCheckpoints(path: string | undefined, runs: string): Promise<[string, ...string[]]> {
  if (path === undefined) return newestCheckpoints(runs);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return [path];
  const [last, ...before] = await checkpointsOf(path);
  if (last !== undefined) return [last, ...before];
  throw new CheckpointError(
    `${path} holds no checkpoint: expected a run directory with checkpoints/step-….safetensors. Name a checkpoint or another run.`,
    { file: path },
  );
}

/** The checkpoints of the newest run that has any. */
async function newestCheckpoints(runs: string): Promise<[string, ...string[]]> {
  for (const run of await runsIn(runs)) {
    const [last, ...before] = await checkpointsOf(run);
    if (last !== undefined) return [last, ...before];
  }
  throw new CheckpointError(
    `There is no run with a checkpoint below ${runs}. Train one by \`${commandLine('train', process.env)}\`, or name a checkpoint.`,
    { file: runs },
  );
}

/** The run directories below a folder, sorted by the time of the last write to run.json, newest first. */
export async function runsIn(runs: string): Promise<string[]> {
  const found: { run: string; time: number }[] = [];
  for (const name of await readdir(runs).catch(() => [])) {
    const run = join(runs, name);
    const time = await timeOf(manifestFile(run));
    if (time !== undefined) found.push({ run, time });
  }
  return found.sort((a, b) => b.time - a.time).map(({ run }) => run);
}

/**
 * The run directory at `path`, or the newest below `runs` if that is undefined.
 * @param advice the end of the error message if `path` is a file
 * @throws UsageError if there is none
 */
export async function findRun(path: string | undefined, runs: string, advice = 'Name its run.'): Promise<string> {
  const run = path ?? (await runsIn(runs))[0];
  if (run === undefined) throw new UsageError(`There is no run below ${runs}. Train one, or name its directory.`);
  const found = await stat(run).catch((error: Error) => error);
  if (found instanceof Error) {
    throw new UsageError(
      `There is no run directory ${run}. \`${commandLine('runs', process.env)}\` lists the existing ones.`,
      { cause: found },
    );
  }
  if (found.isDirectory()) return run;
  throw new UsageError(`${run} is a file: expected a run directory, such as runs/first. ${advice}`);
}

/**
 * The run directories that one page shows, without duplicates; the newest if none is named.
 * @throws UsageError if one doesn't exist, or there are too many
 */
export async function findRuns(named: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  if (named.length > MAX_RUNS) {
    throw new UsageError(
      `Expected at most ${MAX_RUNS} runs, one for each colour, but got ${named.length}. Name fewer.`,
    );
  }
  const runs = callerPath('runs', env);
  if (named.length === 0) return [await findRun(undefined, runs)];
  const paths: string[] = [];
  for (const path of named) paths.push(await findRun(callerPath(path, env), runs));
  return [...new Set(paths)];
}

async function checkpointsOf(run: string): Promise<string[]> {
  return (await checkpointsIn(checkpointsFolder(run))).map(({ file }) => file);
}

async function timeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
