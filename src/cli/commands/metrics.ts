// lockstep metrics runs/first --openmetrics --out first.om       every single step of a run, for Prometheus
// promtool tsdb create-blocks-from openmetrics first.om data/
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OPEN_METRICS, openMetricsOf } from '../../coordinator/observe/prometheus/openmetrics.ts';
import { findRun } from '../../coordinator/run/find.ts';
import { readManifest } from '../../coordinator/run/manifest.ts';
import { outputFile } from '../../coordinator/run/output.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { RunDirectoryError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print } from '../print.ts';

/**
 * `lockstep metrics [RUN] --openmetrics`: writes every step as time series. It only reads the run, which may be running.
 * @returns the exit code
 * @throws UsageError if no format is named or the file can't be written, RunDirectoryError if the run can't be read
 */
export async function metrics(named: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { openmetrics, out, ...others } = flags;
  resolveReadConfig({ flags: others, env: process.env });
  if (openmetrics !== true) {
    throw new UsageError('metrics: expected a format. Add --openmetrics, the only one.');
  }
  const run = await findRun(named, process.env);
  const file =
    out === undefined
      ? undefined
      : outputFile(callerPath(String(out), process.env), { option: '--out', kind: OPEN_METRICS });
  const text = openMetricsOf(run, await readManifest(run));
  if (file === undefined) await printAll(text);
  else await write(text, file);
  return 0;
}

async function printAll(text: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(text), process.stdout, { end: false });
  } catch (error) {
    // The reader, such as `head`, has closed the pipe, or the disk is full: main.ts handles both.
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE' && syscall !== 'write') throw error;
  }
}

/** Writes the file atomically. @throws UsageError if that fails, RunDirectoryError if the run can't be read */
async function write(text: AsyncIterable<string>, file: string): Promise<void> {
  try {
    await replaceFile(file, text);
  } catch (error) {
    if (error instanceof RunDirectoryError) throw error;
    throw new UsageError(`--out ${shownPath(file)}: it can't be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  print(`Wrote ${shownPath(file)}.`);
}
