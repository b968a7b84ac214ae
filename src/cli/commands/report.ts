// lockstep report                                   the newest run's first and last snapshots
// lockstep report runs/first --steps 100,10000 --image 7
// lockstep report runs/short runs/long --out comparison.html
import { basename, join } from 'node:path';
import { recordedData } from '../../coordinator/run/list.ts';
import { outputFile } from '../../coordinator/run/output.ts';
import type { Column, ReportRun } from '../../inspect/report/data.ts';
import { REPORT_KIND, reportOf } from '../../inspect/report/page.ts';
import { runData } from '../../inspect/report/run-data.ts';
import { findReported, type OpenedSnapshot, openSnapshots, stepsOf } from '../../inspect/report/snapshots.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { openDataset } from '../../shared/data/open.ts';
import { DEFAULT_SET, NAMED_SETS, namedSet, namedSetOf } from '../../shared/data/registry.ts';
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
/** The first test image of this digit is shown if none is chosen. */
const DEFAULT_DIGIT = 7;

/**
 * `lockstep report [RUN…]`: writes one HTML file that shows what runs have learned.
 * @returns the exit code
 * @throws UsageError if a run or a step doesn't exist, or the file can't be written
 */
export async function report(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { steps: wanted, image, out, ...others } = flags as Flags & Record<string, unknown>;
  const { data, json } = resolveReadConfig({ flags: others, env: process.env });
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
  const dataset = await openTestData(opened, paths, data);
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
  if (json) printJson(resultOf(file, page, dataset.name, columns));
  else printLines([shownPath(file)]);
  return 0;
}

/** The data set of the first run that wasn't trained on a named set, if there is one. */
async function openTestData(opened: readonly OpenedSnapshot[], paths: readonly string[], flag: string | undefined) {
  const { trainedOn, snapshot } = (opened.find((each) => namedSetOf(each.trainedOn) === undefined) ??
    opened[0]) as OpenedSnapshot;
  const recorded = await recordedData(paths[snapshot.run] as string);
  return openDataset({ flag, env: process.env, print, trainedOn, recorded });
}

/** Warnings about the data, which precede all figures. */
function warningsOf(dataset: Dataset, runs: readonly ReportRun[], opened: readonly OpenedSnapshot[]): string[] {
  const { title } = DEFAULT_SET;
  const other = namedSet(dataset.name);
  const isOther = opened.some(({ trainedOn }) => trainedOn !== dataset.sha256);
  return [
    ...NAMED_SETS.flatMap((set) => {
      const names = runs.filter((run) => run.dataset === set.name).map(({ name }) => name);
      return names.length > 0 ? [`Trained on ${set.title}, not ${title}: ${names.join(', ')}.`] : [];
    }),
    ...(other === undefined
      ? []
      : [`The test images are ${other.title}, not ${title}: these figures say nothing about ${title}.`]),
    ...(isOther ? ['Some of these weights were trained on another data set than this test set.'] : []),
    ...runs.flatMap(({ name, strangeLines }) => (strangeLines.length > 0 ? [foreignText(name, strangeLines)] : [])),
  ];
}

function foreignText(name: string, lines: readonly number[]): string {
  const [first] = lines;
  if (lines.length === 1) return `Line ${first} of ${name}'s steps.jsonl isn't a step; the curves lack it.`;
  return `${count(lines.length)} lines of ${name}'s steps.jsonl, the first being line ${first}, aren't steps; the curves lack them.`;
}

function testSetOf({ name, test, width, height }: Dataset) {
  return { name, images: test.images, labels: test.labels, width, height };
}

function imageIndex(text: string | undefined, { test }: Dataset): number {
  if (text === undefined) return Math.max(0, test.labels.indexOf(DEFAULT_DIGIT));
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
  const snapshots = columns.map(({ title, step, accuracy, mistakes, weightsSha256 }) => ({
    title,
    step,
    weightsSha256,
    testAccuracy: accuracy,
    mistakes: mistakes.length,
  }));
  return { report: file, bytes: Buffer.byteLength(page), dataset, snapshots };
}
