// lockstep sweep --seed 1..5 --learning-rate 0.001,0.003 --out runs/rates
// lockstep sweep --seed 1..5 --jobs 2 --out runs/seeds -- --iterations 1000
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isRun } from '../../coordinator/run/find.ts';
import { listRuns } from '../../coordinator/run/list.ts';
import { withFolder } from '../../coordinator/run/output.ts';
import { readingOf, withModel } from '../../library/model.ts';
import { resolveTrainConfig } from '../../shared/config/config.ts';
import type { OptionKey } from '../../shared/config/schema.ts';
import { findDataset } from '../../shared/data/open.ts';
import { READING_KEYS } from '../../shared/data/source.ts';
import { evaluationIn } from '../../shared/live/step-scalars.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { DIVERGED, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { processorCount } from '../../shared/util/processors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print, printJson, printLines } from '../print.ts';
import { StopSignals } from '../signals.ts';
import { gridOf, type SweptRun, valuesOf } from '../sweep/grid.ts';
import { KILLED, logOf, trainAll } from '../sweep/processes.ts';
import { type Group, groupsOf, type SweptResult, tableOf } from '../sweep/table.ts';
import { parseWhole } from '../whole-number.ts';

const FAILED = 1;
const REPORT = 'report.html';
/** Runs in the report: the best ones of as many groups. */
const MAX_REPORTED = 6;
/** Options that decide what a run's data and model are. */
const CONTENTS = ['data', ...READING_KEYS, 'model', 'head'] as const satisfies readonly OptionKey[];

interface Flags {
  readonly out?: readonly string[];
  readonly jobs?: string;
  readonly json?: boolean;
}

/**
 * `lockstep sweep`: trains all combinations of the values that options are given, and compares them.
 * @param flags values by option, those of the options of `train` as they were given
 * @returns the exit code: 0 if all runs are done, 1 if one failed, as a signal has it if one stopped the sweep
 * @throws UsageError for an option or combination that `train` would refuse, before any run is begun
 */
export async function sweep(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { out, jobs: jobsText, json = false, ...others } = flags as Flags & Record<string, unknown>;
  const place = out?.at(-1);
  if (place === undefined) throw new UsageError('--out: expected the folder for the runs of the sweep.');
  const folder = callerPath(place, process.env);
  const jobs = jobsOf(jobsText);
  const given = Object.entries(others).map(([key, value]) => {
    return [key, Array.isArray(value) ? valuesOf(key, value) : [value as true]] as const;
  });
  const own = jobs > 1 && others.workers === undefined ? { workers: [String(share(jobs))] } : {};
  const runs = gridOf({ ...Object.fromEntries(given), ...own }, folder, process.env);
  await checkPlaces(runs, folder);
  const numberOf = (run: SweptRun): string => `${runs.indexOf(run) + 1}/${runs.length}`;
  const signals = new StopSignals({ what: 'ending the runs, each with a checkpoint' });
  signals.handle(print);
  try {
    print(`${runs.length} runs below ${shownPath(folder)}, ${jobs === 1 ? 'one after another' : `${jobs} at a time`}.`);
    const codes = await trainAll(runs, {
      jobs,
      script: process.argv[1] as string,
      env: process.env,
      stop: signals.stop,
      onStart: (run) => print(`${numberOf(run)} ${run.name} begins; its lines are in ${shownPath(logOf(run.path))}.`),
      onEnd: async (run, code) => print(`${numberOf(run)} ${run.name} ${await endText(run, code)}`),
    });
    const results = await resultsOf(runs, folder);
    const groups = groupsOf(results);
    const isOver = !signals.stop.aborted;
    const report = isOver && groups.length > 0 ? await writeReport(groups, folder, runs) : undefined;
    if (json) printJson({ folder, runs: runs.map((run) => runJson(run, results, codes.get(run))), groups, report });
    else printLines(tableOf(groups, results));
    const missing = runs.filter((run) => !results.some((each) => each.run === run)).map(({ name }) => name);
    if (missing.length > 0) {
      const advice = isOver ? '' : ' The same command continues.';
      print(`${missing.length} of ${runs.length} runs are not done: ${missing.join(', ')}.${advice}`);
    }
    if (!isOver) return signals.exitCode;
    return [...codes.values()].some((code) => code !== 0) ? FAILED : 0;
  } finally {
    signals.release();
  }
}

function jobsOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const jobs = parseWhole(text, 1, 1024);
  if (jobs !== undefined) return jobs;
  throw new UsageError(`--jobs: expected a whole number from 1 to 1024, but got "${text}".`);
}

/** Worker threads of each of several runs at the same time. */
function share(jobs: number): number {
  return Math.max(1, Math.floor(processorCount() / jobs));
}

/** How a run has ended; of one that failed, also what it said last. */
async function endText({ path }: SweptRun, code: number): Promise<string> {
  if (code === 0) return 'is done.';
  if (code > 128) return code === KILLED ? 'was killed.' : 'was stopped.';
  const log = await readFile(logOf(path), 'utf8').catch(() => '');
  const said = log.trimEnd().split('\n').at(-1) ?? '';
  return `${code === DIVERGED ? 'diverged' : `failed (exit code ${code})`}: ${said}`;
}

/**
 * Looks at the places that the runs name, which one of them alone would do too late for the others.
 * @throws UsageError, DatasetError or ModelError if the data or a model can't be found or don't fit, or there can't be a folder for the runs
 */
async function checkPlaces(runs: readonly SweptRun[], folder: string): Promise<void> {
  const silent = (): void => {};
  const checked = new Set<string>();
  for (const { flags, path } of runs) {
    const contents = JSON.stringify(CONTENTS.map((key) => flags[key]));
    // A run that is there may be done, and need them no more.
    if (checked.has(contents) || (await isRun(path))) continue;
    checked.add(contents);
    const resolved = resolveTrainConfig({ flags, env: process.env });
    const { data: flag } = resolved.config;
    const { shape } = await findDataset({ flag, reading: await readingOf(resolved), env: process.env, print: silent });
    modelOf(await withModel(resolved.config, shape, silent), shape);
  }
  if (await isRun(folder)) throw new UsageError(`--out: ${shownPath(folder)} is a run: expected a folder for several.`);
  withFolder((runs[0] as SweptRun).path, '--out');
}

/** Of the runs that are done. */
async function resultsOf(runs: readonly SweptRun[], folder: string): Promise<SweptResult[]> {
  const listed = new Map((await listRuns(folder)).map((each) => [each.name, each]));
  return runs.flatMap((run) => {
    const found = listed.get(run.name);
    return found?.state === 'finished' ? [{ run, evaluation: found }] : [];
  });
}

function runJson({ name, path, values }: SweptRun, results: readonly SweptResult[], exitCode: number | undefined) {
  const result = results.find(({ run }) => run.name === name);
  return { name, path, values, exitCode, ...evaluationIn(result?.evaluation) };
}

/** @returns the report's file; undefined if it can't be made, which is printed */
async function writeReport(
  groups: readonly Group[],
  folder: string,
  runs: readonly SweptRun[],
): Promise<string | undefined> {
  const { writeReport: write } = await import('./report.ts');
  const file = join(folder, REPORT);
  const [data, ...others] = new Set(runs.map(({ flags }) => flags.data));
  try {
    await write(
      groups.slice(0, MAX_REPORTED).map(({ best }) => best.path),
      { out: file, ...(others.length === 0 && data !== undefined && { data }) },
    );
    print(`Report: ${shownPath(file)}`);
    return file;
  } catch (error) {
    print(`There is no report: ${(error as Error).message}`);
    return undefined;
  }
}
