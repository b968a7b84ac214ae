// A run's steps as OpenMetrics text: https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md

import { RunDirectoryError } from '../../../shared/util/errors.ts';
import { shownPath } from '../../../shared/util/shown-path.ts';
import { stepsFile } from '../../run/files.ts';
import { type Attempt, attemptOf, type Manifest } from '../../run/manifest.ts';
import type { OutputKind } from '../../run/output.ts';
import { readSteps } from '../../run/step-reader.ts';
import { STEP_SERIES, type StepSeries, sampleOf } from './step-series.ts';

/** The text, by which an earlier one is known. */
export const OPEN_METRICS: OutputKind = {
  title: 'OpenMetrics text of a run',
  isOwn: (ends) => /^# (EOF|TYPE lockstep_)/.test(ends.toString('latin1')),
};

/** Length of a chunk of text. */
const CHUNK_CHARACTERS = 1 << 16;

/** The contents of a run's log. */
interface LogExtent {
  /** The last step when the log was first read: the run may still write, and all families end with the same step. */
  readonly last: number;
  /** Series that have at least one sample. */
  readonly series: readonly StepSeries[];
}

/**
 * All series of single steps, as remote write sends them, in chunks of text. The samples of a family must be adjacent, so the log is read once
 * for each family, and once before to check all of it.
 * @throws RunDirectoryError if the log can't be read, or if its steps have no time
 */
export async function* openMetricsOf(
  run: string,
  { name, id, attempts }: Manifest,
): AsyncGenerator<string, void, undefined> {
  const log = stepsFile(run);
  const { last, series } = await extentOf(log);
  for (const each of series) yield* familyOf(each, { log, last, name, id, attempts });
  yield '# EOF\n';
}

async function extentOf(log: string): Promise<LogExtent> {
  const found = new Set<StepSeries>();
  let last = 0;
  for await (const record of readSteps(log)) {
    if (record.timings.at === undefined) throw withoutTime(log, record.step);
    for (const series of STEP_SERIES) if (series.read(record) !== undefined) found.add(series);
    last = record.step;
  }
  return { last, series: STEP_SERIES.filter((series) => found.has(series)) };
}

interface Source {
  readonly log: string;
  readonly last: number;
  /** The run's name. */
  readonly name: string;
  /** Its id, which runs of earlier versions lack. */
  readonly id: string | undefined;
  readonly attempts: readonly Attempt[];
}

async function* familyOf(
  series: StepSeries,
  { log, last, name, id, attempts }: Source,
): AsyncGenerator<string, void, undefined> {
  // Ratios are numbers without a unit.
  const unit = series.unit === 'seconds' ? `# UNIT ${series.name} ${series.unit}\n` : '';
  let latest = Number.NEGATIVE_INFINITY;
  let text = `# TYPE ${series.name} gauge\n${unit}# HELP ${series.name} ${series.help}\n`;
  const run = `run="${escaped(name)}"${id === undefined ? '' : `,id="${escaped(id)}"`}`;
  for await (const record of readSteps(log)) {
    if (record.step > last) break;
    const value = sampleOf(series, record);
    const { at = 0 } = record.timings;
    // Of steps that share a millisecond, a series has the first.
    if (value === undefined || at <= latest) continue;
    latest = at;
    const labels = `{${run},attempt="${attemptOf(record.step, attempts)}"}`;
    text += `${series.name}${labels} ${value} ${seconds(at)}\n`;
    if (text.length < CHUNK_CHARACTERS) continue;
    yield text;
    text = '';
  }
  yield text;
}

/** Unix milliseconds as seconds. */
function seconds(milliseconds: number): string {
  const digits = String(milliseconds).padStart(4, '0');
  return `${digits.slice(0, -3)}.${digits.slice(-3)}`;
}

function escaped(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function withoutTime(log: string, step: number): RunDirectoryError {
  return new RunDirectoryError(
    `${shownPath(log)}: step ${step} has no timings.at, since an older version of Lockstep wrote it, so the time of the step is unknown. ` +
      'Train the run again with this version (the bits will be the same), or name another run.',
  );
}
