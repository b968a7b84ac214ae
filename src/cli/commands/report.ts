// lockstep report                                   the newest run's first and last snapshots
// lockstep report runs/first --steps 100,10000 --image 7
// lockstep report runs/short runs/long --out comparison.html
import { basename, join } from 'node:path';
import { recordedData } from '../../coordinator/run/list.ts';
import { outputFile } from '../../coordinator/run/output.ts';
import type { Column, ReportRun, Results, StrangeLine, TestSet } from '../../inspect/report/data.ts';
import { REPORT_KIND, reportOf } from '../../inspect/report/page.ts';
import { runData } from '../../inspect/report/run-data.ts';
import { findReported, type OpenedSnapshot, openSnapshots, stepsOf } from '../../inspect/report/snapshots.ts';
import { readingFor } from '../../library/model.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { type Dataset, scalingOf } from '../../shared/data/dataset.ts';
import { type FindOptions, openDataset } from '../../shared/data/open.ts';
import { DEFAULT_SET, FALLBACK_SET, nameOf, standIn } from '../../shared/data/registry.ts';
import { ForeignCheckpointError, UsageError } from '../../shared/util/errors.ts';
import { count } from '../../shared/util/figures.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { version } from '../../shared/util/version.ts';
import { print, printJson, printLines } from '../print.ts';

interface Flags {
  readonly steps?: string;
  readonly image?: string;
  readonly out?: string;
}

const REPORT = 'report.html';

/**
 * `lockstep report [RUN…]`: writes one HTML file that shows what runs have learned.
 * @returns the exit code
 * @throws UsageError if a run or a step doesn't exist, or the file can't be written
 */
export async function report(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { json, ...others } = flags;
  const result = await writeReport(named, others);
  if (json === true) printJson(result);
  else printLines([shownPath(result.report)]);
  return 0;
}

/**
 * Writes the report of runs, and prints what is wrong with them.
 * @param flags those of the command
 * @throws UsageError if a run or a step doesn't exist, or the file can't be written
 */
export async function writeReport(named: readonly string[], flags: Readonly<Record<string, unknown>>) {
  const { steps: wanted, image, out, ...others } = flags as Flags & Record<string, unknown>;
  const { data, reading } = resolveReadConfig({ flags: others, env: process.env });
  const steps = stepsOf(wanted);
  const paths = await findReported(named, process.env);
  const place = out === undefined ? join(paths[0] as string, REPORT) : callerPath(out, process.env);
  const file = outputFile(place, { option: '--out', kind: REPORT_KIND });
  const damaged: string[] = [];
  const opened = await openSnapshots(paths, {
    steps,
    onDamaged: ({ error, run, step }) => {
      print(`Passed over: ${error.message}`);
      damaged.push(
        `The checkpoint of step ${count(step)} in ${basename(paths[run] as string)} is ` +
          `${error instanceof ForeignCheckpointError ? "another run's" : 'damaged'} and was passed over.`,
      );
    },
  });
  const dataset = await openTestData(opened, paths, { flag: data, reading });
  const runs = await Promise.all(paths.map((path) => runData(path, paths.length)));
  const warnings = warningsOf(dataset, runs, opened);
  for (const warning of warnings) print(warning);
  const { page, columns } = reportOf({
    runs,
    snapshots: opened.map(({ snapshot }) => snapshot),
    warnings: [...warnings, ...damaged],
    version: version(),
    test: testSetOf(dataset),
    image: imageIndex(image, dataset),
  });
  await write(file, page);
  return resultOf(file, page, dataset.name, columns);
}

/** The data set of the first run that wasn't trained on one that stands in for the default set, if there is one. */
async function openTestData(
  opened: readonly OpenedSnapshot[],
  paths: readonly string[],
  { flag, reading }: Pick<FindOptions, 'flag' | 'reading'>,
) {
  const { trainedOn, snapshot } = (opened.find((each) => standIn(nameOf(each.trainedOn)) === undefined) ??
    opened[0]) as OpenedSnapshot;
  const recorded = await recordedData(paths[snapshot.run] as string);
  const own = readingFor(snapshot.layout, reading);
  return openDataset({ flag, reading: own, env: process.env, print, trainedOn, recorded });
}

/** Warnings about the data, which precede all figures. */
function warningsOf(dataset: Dataset, runs: readonly ReportRun[], opened: readonly OpenedSnapshot[]): string[] {
  const { title } = DEFAULT_SET;
  const other = standIn(dataset.name);
  const trainedOther = runs.filter((run) => run.dataset !== undefined && standIn(run.dataset) !== undefined);
  const isOther = opened.some(({ trainedOn }) => trainedOn !== dataset.sha256);
  return [
    ...(trainedOther.length > 0
      ? [`Trained on ${FALLBACK_SET.title}, not ${title}: ${trainedOther.map(({ name }) => name).join(', ')}.`]
      : []),
    ...(other === undefined
      ? []
      : [`The test images are ${other.title}, not ${title}: these figures say nothing about ${title}.`]),
    ...(isOther ? ['Some of these weights were trained on another data set than this test set.'] : []),
    ...runs.flatMap(({ name, strangeLines }) => (strangeLines.length > 0 ? [foreignText(name, strangeLines)] : [])),
  ];
}

function foreignText(name: string, lines: ReportRun['strangeLines']): string {
  const { line, file } = lines[0] as StrangeLine;
  if (lines.length === 1) return `Line ${line} of ${name}'s ${file} isn't a step; the curves lack it.`;
  return `${count(lines.length)} lines of ${name}'s log, the first being line ${line} of ${file}, aren't steps; the curves lack them.`;
}

function testSetOf(dataset: Dataset): TestSet {
  const { name, test, maps, height, width, classNames } = dataset;
  return { name, shape: { maps, height, width }, classNames, scaling: scalingOf(dataset), ...test };
}

function imageIndex(text: string | undefined, { test }: Dataset): number {
  if (text === undefined) return 0;
  const index = Number(text);
  if (/^\d+$/.test(text) && index < test.count) return index;
  throw new UsageError(`--image: expected the number of a test image, from 0 to ${test.count - 1}, but got ${text}.`);
}

async function write(file: string, page: string): Promise<void> {
  try {
    await replaceFile(file, Buffer.from(page));
  } catch (error) {
    throw new UsageError(
      `The report can't be written to ${file} (${(error as Error).message}). Name another file by --out.`,
      { cause: error },
    );
  }
}

/** What the command prints with --json. */
function resultOf(file: string, page: string, dataset: string, columns: readonly Column[]) {
  const snapshots = columns.map(({ title, step, results, weightsSha256 }) => {
    return { title, step, weightsSha256, ...figuresOf(results) };
  });
  return { report: file, bytes: Buffer.byteLength(page), dataset, snapshots };
}

function figuresOf(results: Results) {
  if (results.reading === 'values') {
    const { mae, rmse, r2 } = results.errors;
    return { testError: rmse, testMae: mae, testR2: r2 };
  }
  const mistakes = results.reading === 'class' ? { mistakes: results.mistakes.length } : {};
  return { testAccuracy: results.accuracy, ...mistakes };
}
