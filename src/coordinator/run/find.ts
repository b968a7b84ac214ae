import { readdir, stat } from 'node:fs/promises';
import { basename, isAbsolute, join, relative } from 'node:path';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { LATEST } from '../../shared/config/config.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { checkpointsFolder, MARKS, manifestFile } from './files.ts';

/** The most runs of one report. */
const MAX_RUNS = 6;

/** The folder of runs that aren't written elsewhere. */
export function runsFolder(env: NodeJS.ProcessEnv): string {
  return callerPath('runs', env);
}

/**
 * The path of a run as people name one: `latest`, a directory, or a name below runs/ if there is no such path, or a folder that is no run. A file
 * is taken as it is.
 * @returns undefined for the newest run
 */
export async function namedPath(named: string | undefined, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (named === undefined || named === LATEST) return undefined;
  const path = callerPath(named, env);
  const fromHere = relative(callerPath('.', env), path);
  if (fromHere === '' || fromHere.startsWith('..') || isAbsolute(fromHere)) return path;
  const below = join(runsFolder(env), fromHere);
  if (await isThere(path)) return (await isOtherFolder(path)) && (await isRun(below)) ? below : path;
  return (await isThere(below)) ? below : path;
}

/** Whether it is a folder that is no run: pictures, say, that a run was named after. */
async function isOtherFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true && !(await isRun(path));
}

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

/** The runs of a folder, newest first, and those of the folders in it, such as a sweep's, with their names: first, rates/seed-1. */
export async function runsUnder(folder: string): Promise<{ readonly path: string; readonly name: string }[]> {
  const found = (await runsIn(folder)).map((path) => ({ path, name: basename(path) }));
  const own = new Set(found.map(({ name }) => name));
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const { name } of entries.filter((entry) => entry.isDirectory() && !own.has(entry.name))) {
    for (const path of await runsIn(join(folder, name))) found.push({ path, name: `${name}/${basename(path)}` });
  }
  return found;
}

/** The run directories directly below a folder, sorted by the time of the last write to run.json, newest first. */
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
 * The run directory that somebody names as `namedPath` takes it; the newest if nothing is named.
 * @param advice the end of the error message if it is a file
 * @throws UsageError if there is none
 */
export async function findRun(
  named: string | undefined,
  env: NodeJS.ProcessEnv,
  advice = 'Name its run.',
): Promise<string> {
  const runs = runsFolder(env);
  const run = (await namedPath(named, env)) ?? (await runsIn(runs))[0];
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

/** Whether a folder is a run directory, rather than a folder of some. */
export async function isRun(path: string): Promise<boolean> {
  const found = await Promise.all(MARKS.map((name) => isThere(join(path, name))));
  return found.includes(true);
}

/**
 * The run directories of one report, without duplicates; the newest if none is named.
 * @throws UsageError if one doesn't exist, or there are too many
 */
export async function findRuns(named: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  if (named.length > MAX_RUNS) {
    throw new UsageError(`Expected at most ${MAX_RUNS} runs, but got ${named.length}. Name fewer.`);
  }
  if (named.length === 0) return [await findRun(undefined, env)];
  const paths: string[] = [];
  for (const each of named) paths.push(await findRun(each, env));
  return [...new Set(paths)];
}

async function checkpointsOf(run: string): Promise<string[]> {
  return (await checkpointsIn(checkpointsFolder(run))).map(({ file }) => file);
}

export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    // A path that can't be reached is there too: reading it says why not.
    ({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && code !== 'ENOTDIR',
  );
}

async function timeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
