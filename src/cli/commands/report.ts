// lockstep report                                   the newest run's first snapshot beside its last
// lockstep report runs/first --steps 100,10000 --image 7
// lockstep report runs/short runs/long --out comparison.html
import { join } from 'node:path';
import type { Column, ReportRun } from '../../report/data.ts';
import { reportOf } from '../../report/page.ts';
import { replaceFile } from '../../shared/checkpoint/replace-file.ts';
import { resolveReadConfig, SYNTHETIC } from '../../shared/config.ts';
import type { Dataset } from '../../shared/dataset/dataset.ts';
import { UsageError } from '../../shared/errors.ts';
import { callerPath } from '../../shared/paths.ts';
import { openDataset } from '../dataset.ts';
import { runData } from '../report/run-data.ts';
import { type OpenedSnapshot, openSnapshots, stepsOf } from '../report/snapshots.ts';
import { findRuns } from '../runs/find.ts';
import { shownPath } from '../shown-path.ts';
import { version } from '../version.ts';

interface Flags {
  readonly steps?: string;
  readonly image?: string;
  readonly out?: string;
}

const REPORT = 'report.html';
/** The digit that is shown where none is chosen: the test set's first one of these. */
const USUAL_DIGIT = 7;

/**
 * `lockstep report [RUN…]`: one HTML file that shows what runs have learned.
 * @throws UsageError where a run or a step isn't there, or the file can't be written
 */
export async function report(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { steps: wanted, image, out, ...others } = flags as Flags & Record<string, unknown>;
  const { data, json } = resolveReadConfig({ flags: others, env: process.env });
  const steps = stepsOf(wanted);
  const paths = await findRuns(named, process.env);
  const opened = await openSnapshots(paths, { steps, say });
  const dataset = await openDataset({
    ...{ flag: data, env: process.env, say },
    ...(opened[0] && { trainedOn: opened[0].trainedOn }),
  });
  const runs = await Promise.all(paths.map((path) => runData(path, paths.length)));
  const warnings = warningsOf(dataset, runs, opened);
  for (const warning of warnings) say(warning);
  const { page, columns } = reportOf({
    ...{ runs, snapshots: opened.map(({ snapshot }) => snapshot), warnings, version: version() },
    ...{ test: testSetOf(dataset), image: imageIndex(image, dataset) },
  });
  const file = out === undefined ? join(paths[0] as string, REPORT) : callerPath(out, process.env);
  await write(file, page);
  process.stdout.write(json ? `${JSON.stringify(resultOf(file, page, columns))}\n` : `${shownPath(file)}\n`);
  return 0;
}

/** What a reader must know of the data before any figure. */
function warningsOf(dataset: Dataset, runs: readonly ReportRun[], opened: readonly OpenedSnapshot[]): string[] {
  const drawn = runs.filter((run) => run.dataset === SYNTHETIC).map(({ name }) => name);
  const isOther = opened.some(({ trainedOn }) => trainedOn !== dataset.sha256);
  return [
    ...(drawn.length > 0 ? [`Trained on SYNTHETIC digits, not MNIST: ${drawn.join(', ')}.`] : []),
    ...(dataset.name === SYNTHETIC
      ? ['The test images are SYNTHETIC digits, not MNIST: these figures say nothing about MNIST.']
      : []),
    ...(isOther ? ['Some of these weights were trained on another data set than the one that they are tried on.'] : []),
  ];
}

function testSetOf({ name, test, width, height }: Dataset) {
  return { name, images: test.images, labels: test.labels, width, height };
}

function imageIndex(text: string | undefined, { test }: Dataset): number {
  if (text === undefined) return Math.max(0, test.labels.indexOf(USUAL_DIGIT));
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
function resultOf(file: string, page: string, columns: readonly Column[]) {
  const snapshots = columns.map(({ title, step, accuracy, mistakes, weightsSha256 }) => ({
    ...{ title, step, weightsSha256, testAccuracy: accuracy, mistakes: mistakes.length },
  }));
  return { report: file, bytes: Buffer.byteLength(page), snapshots };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
