// lockstep metrics runs/first --openmetrics --out first.om       every single step of a run, for Prometheus
// promtool tsdb create-blocks-from openmetrics first.om data/
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openMetricsOf } from '../../coordinator/observe/prometheus/openmetrics.ts';
import { findRun } from '../../coordinator/run/find.ts';
import { readManifest } from '../../coordinator/run/manifest.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { RunDirectoryError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';

/**
 * `lockstep metrics [RUN] --openmetrics`: only reads the run, which may be going on.
 * @throws UsageError where no format is named, RunDirectoryError where the run or the file can't be used
 */
export async function metrics(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { openmetrics, out, ...others } = flags;
  resolveReadConfig({ flags: others, env: process.env });
  if (openmetrics !== true) {
    throw new UsageError('lockstep metrics: expected a format. Add --openmetrics, the one that there is.');
  }
  const named = path === undefined ? undefined : callerPath(path, process.env);
  const run = await findRun(named, callerPath('runs', process.env));
  const text = openMetricsOf(run, await readManifest(run));
  if (out === undefined) await print(text);
  else await write(text, callerPath(String(out), process.env));
  return 0;
}

async function print(text: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(text), process.stdout, { end: false });
  } catch (error) {
    // A reader such as `head` has seen enough, or a disk is full: main.ts tells.
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE' && syscall !== 'write') throw error;
  }
}

/** Makes the file, all of it or none. */
async function write(text: AsyncIterable<string>, file: string): Promise<void> {
  const there = await stat(file).catch(() => undefined);
  if (there?.isFile() === false) {
    throw new UsageError(
      `--out ${shownPath(file)}: expected a file, new or to be replaced. Leave --out away to print.`,
    );
  }
  const part = `${file}.tmp`;
  try {
    await pipeline(Readable.from(text), createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof RunDirectoryError) throw error;
    throw new UsageError(`--out ${shownPath(file)}: it can't be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  process.stderr.write(`Wrote ${shownPath(file)}.\n`);
}
