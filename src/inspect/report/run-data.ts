import { basename } from 'node:path';
import { History } from '../../coordinator/observe/web/history.ts';
import { configShown } from '../../coordinator/observe/web/recall.ts';
import { stepsFile } from '../../coordinator/run/files.ts';
import { openRun, stateOf } from '../../coordinator/run/list.ts';
import type { Manifest } from '../../coordinator/run/manifest.ts';
import { readSteps } from '../../coordinator/run/step-reader.ts';
import { datasetText } from '../../shared/data/registry.ts';
import { packSeries } from '../../shared/live/packed-series.ts';
import { REPORT_QUANTITIES, type ReportCurves } from '../../shared/live/report-curves.ts';
import { CAPACITY } from '../../shared/live/series.ts';
import type { FactGroup, ReportRun, StrangeLine } from './data.ts';

/**
 * What a report shows of a run besides its weights.
 * @param runs in one report: the more, the coarser the curves of long ones, so that the file stays small
 * @throws RunDirectoryError if run.json or steps.jsonl can't be read; single lines of steps.jsonl may be strange
 */
export async function runData(path: string, runs: number): Promise<ReportRun> {
  const { manifest, lock } = await openRun(path);
  const name = basename(path);
  const { state } = stateOf(manifest, lock);
  const { curves, samplesPerSecond, strangeLines } = await logOf(path, name, manifest, runs);
  const facts = factsOf(manifest, state, samplesPerSecond);
  return { name, state, dataset: manifest.dataset, curves, strangeLines, facts };
}

async function logOf(path: string, name: string, { config: { iterations, batch } }: Manifest, runs: number) {
  const history = new History(Math.floor(CAPACITY / runs));
  const trained = { steps: 0, seconds: 0 };
  const strangeLines: StrangeLine[] = [];
  const onForeignLine = (line: number, file: string): unknown => strangeLines.push({ line, file });
  for await (const record of readSteps(stepsFile(path), { onForeignLine })) {
    history.step(record);
    trained.steps++;
    trained.seconds += record.timings.total;
  }
  const { series, tests } = history.view;
  const packed = packSeries(series, REPORT_QUANTITIES);
  const curves: ReportCurves = { name, iterations, batch, series: packed, tests };
  return {
    curves,
    strangeLines,
    samplesPerSecond: trained.seconds === 0 ? 0 : Math.round((trained.steps * batch) / trained.seconds),
  };
}

function factsOf(manifest: Manifest, state: string, samplesPerSecond: number): FactGroup[] {
  const { config, digests, versions, git, host, attempts, result, dataset, started, ended, chain, failure } = manifest;
  const texts = (record: Readonly<Record<string, unknown>>): FactGroup['facts'] =>
    Object.entries(record)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, factText(value)]);
  const outcome = {
    state,
    started,
    ended,
    failure,
    data: datasetText(dataset),
    'steps done': result?.steps ?? attempts.at(-1)?.steps,
    'samples a second, in steps': samplesPerSecond.toLocaleString('en'),
    'seconds of the last attempt': result?.seconds.toFixed(1),
    attempts: attempts.length,
  };
  const hashes = { ...digests, 'hash chain': result?.chain ?? chain, 'final weights': result?.weightsSha256 };
  const commit = git && { git: `${git.commit}${git.clean ? '' : ', with changes'}` };
  return [
    { title: 'What came of it', facts: texts(outcome) },
    { title: 'Configuration', facts: texts(configShown(config)) },
    { title: 'SHA-256', facts: texts(hashes) },
    { title: 'Versions and host', facts: texts({ ...versions, ...commit, ...host }) },
  ];
}

/** A model that has a file of its own is named: its layers are shown elsewhere. */
function factText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return 'name' in value ? String(value.name) : JSON.stringify(value);
}
