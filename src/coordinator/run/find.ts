import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { checkpointsFolder, manifestFile } from './files.ts';

/** As many as there are colours for their curves. */
const MAX_RUNS = 6;

/** The checkpoint that a person means: the first of `findCheckpoints`. */
export async function findCheckpoint(path: string | undefined, runs: string): Promise<string> {
  return (await findCheckpoints(path, runs))[0];
}

/**
 * The checkpoints that a person may mean, the likeliest first: `path` alone where it is a file, those of a run where it is its directory, newest
 * first, and those of the newest run below `runs` where it is undefined. A path that isn't there is returned as it is: reading it says so.
 * @throws CheckpointError where a run or a folder of runs holds no checkpoint
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

/** Those of the newest run that has one. */
async function newestCheckpoints(runs: string): Promise<[string, ...string[]]> {
  for (const run of await runsIn(runs)) {
    const [last, ...before] = await checkpointsOf(run);
    if (last !== undefined) return [last, ...before];
  }
  throw new CheckpointError(
    `There is no run with a checkpoint below ${runs}. Train one by \`lockstep train\`, or name a checkpoint.`,
    {
      file: runs,
    },
  );
}

/** The run directories below a folder, newest first: by when run.json was last written. */
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
 * The run directory that a person means: `path`, or the newest below `runs` where it is undefined.
 * @param advice for a person who names a file
 * @throws UsageError where there is none
 */
export async function findRun(path: string | undefined, runs: string, advice = 'Name that.'): Promise<string> {
  const run = path ?? (await runsIn(runs))[0];
  if (run === undefined) throw new UsageError(`There is no run below ${runs}. Train one, or name its directory.`);
  const found = await stat(run).catch(() => undefined);
  if (found === undefined)
    throw new UsageError(`There is no run directory ${run}. See \`lockstep runs\` for those there are.`);
  if (found.isDirectory()) return run;
  throw new UsageError(`${run} is a file: expected a run directory, such as runs/first. ${advice}`);
}

/**
 * The run directories that a person means for one page, each once; the newest where none is named.
 * @throws UsageError where one isn't there, or there are too many
 */
export async function findRuns(named: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  if (named.length > MAX_RUNS) {
    throw new UsageError(`${named.length} runs: expected at most ${MAX_RUNS}, for as many colours. Name fewer.`);
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
