import { basename } from 'node:path';
import { checkpointsFolder } from '../../coordinator/run/files.ts';
import { findRuns, runsFolder, runsIn } from '../../coordinator/run/find.ts';
import { firstIntact } from '../../coordinator/run/first-intact.ts';
import { type CheckpointedRun, checkpointedRun } from '../../coordinator/run/own-checkpoint.ts';
import { openModel } from '../../coordinator/run/saved-model.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import type { Snapshot } from './data.ts';

/** A snapshot, and the digest of what it was trained on. */
export interface OpenedSnapshot {
  readonly snapshot: Snapshot;
  readonly trainedOn: string;
}

interface Saved {
  readonly file: string;
  readonly step: number;
}

/** Receives each checkpoint that is passed over; `run` is its run's place among the report's. */
type OnDamaged = (damaged: { error: CheckpointError; run: number; step: number }) => void;

/** More columns can't be compared on a screen. */
const MAX_SNAPSHOTS = 6;

/** The steps of --steps. @throws UsageError if the text isn't a list of steps */
export function stepsOf(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined;
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => !/^\d{1,15}$/.test(part))) {
    throw new UsageError(`--steps: expected steps with commas between them, such as 100,10000, but got ${text}.`);
  }
  return [...new Set(parts.map(Number))];
}

/**
 * The run directories to report on, as `findRuns` finds them; if none is named, the newest that has a checkpoint.
 * @throws UsageError as `findRuns`, and if no run has a checkpoint
 */
export async function findReported(named: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  if (named.length > 0) return findRuns(named, env);
  const folder = runsFolder(env);
  for (const run of await runsIn(folder)) {
    if ((await checkpointsIn(checkpointsFolder(run))).length > 0) return [run];
  }
  throw new UsageError(
    `There is no run with a checkpoint below ${folder}. Train one by \`${commandLine('train', env)}\`, or name its directory.`,
  );
}

/**
 * The snapshots to show: the first and the last one of a single run, the last one of each of several, or those of the given
 * steps.
 * @throws UsageError if a step isn't there; CheckpointError if there is no snapshot at all, if one can't be read, or if one of
 * the given steps is damaged
 */
export async function openSnapshots(
  runs: readonly string[],
  { steps, onDamaged }: { readonly steps: readonly number[] | undefined; readonly onDamaged: OnDamaged },
): Promise<OpenedSnapshot[]> {
  const owners = await Promise.all(runs.map(checkpointedRun));
  const saved: Saved[][] = [];
  for (const run of runs) saved.push((await checkpointsIn(checkpointsFolder(run))).reverse());
  const opened: OpenedSnapshot[] = [];
  if (steps === undefined) {
    for (const [i, path] of runs.entries()) {
      const run = { path, owner: owners[i], place: i, of: runs.length };
      opened.push(...(await usual(saved[i] as Saved[], run, onDamaged)));
    }
  } else {
    const chosen = chosenOf(saved, runs, steps);
    for (const { file, run } of chosen) opened.push(await openedAt(file, run, owners[run]));
  }
  if (opened.length <= MAX_SNAPSHOTS) return opened;
  throw new UsageError(
    `${opened.length} snapshots: expected at most ${MAX_SNAPSHOTS}, for as many columns. Name fewer.`,
  );
}

interface ReportedRun {
  readonly path: string;
  /** Whose checkpoints these must be; undefined: nothing says it. */
  readonly owner: CheckpointedRun | undefined;
  /** Its place among the report's runs, and their number. */
  readonly place: number;
  readonly of: number;
}

/** The snapshots of one run if no steps are given; damaged ones and those of other runs are passed over. */
async function usual(
  saved: readonly Saved[],
  { path, owner, place: run, of: runs }: ReportedRun,
  onDamaged: OnDamaged,
): Promise<OpenedSnapshot[]> {
  const open = ({ file }: Saved): Promise<OpenedSnapshot> => openedAt(file, run, owner);
  const passOver = (error: CheckpointError, { step }: Saved): void => onDamaged({ error, run, step });
  const last = await firstIntact(saved.toReversed(), open, passOver);
  if (last === undefined) {
    throw new CheckpointError(
      `${path} holds no checkpoint to report on: expected checkpoints/step-….safetensors. Continue training, or name another run.`,
      { file: path },
    );
  }
  if (runs > 1) return [last];
  const before = saved.filter(({ step }) => step < last.snapshot.step);
  const first = await firstIntact(before, open, passOver);
  return first === undefined ? [last] : [first, last];
}

function chosenOf(saved: readonly (readonly Saved[])[], runs: readonly string[], steps: readonly number[]) {
  const chosen = saved.flatMap((own, run) =>
    own.filter(({ step }) => steps.includes(step)).map(({ file, step }) => ({ file, step, run })),
  );
  const missing = steps.filter((step) => chosen.every((each) => each.step !== step));
  const empty = runs.filter((_, run) => chosen.every((each) => each.run !== run));
  if (missing.length === 0 && empty.length === 0) return chosen;
  const there = runs.map((run, i) => {
    const own = (saved[i] as readonly Saved[]).map(({ step }) => step);
    return `${shownPath(run)} has ${own.length === 0 ? 'none' : own.join(', ')}`;
  });
  const problem =
    missing.length > 0
      ? `no checkpoint of step ${missing.join(', ')}`
      : `no checkpoint of any of these steps in ${empty.map(shownPath).join(', ')}`;
  throw new UsageError(`--steps: ${problem}. The checkpoints: ${there.join('; ')}. Use some of those.`);
}

async function openedAt(file: string, run: number, owner: CheckpointedRun | undefined): Promise<OpenedSnapshot> {
  const { checkpoint, layout, weights } = await openModel(file, owner);
  return {
    snapshot: {
      run,
      step: checkpoint.step,
      layout,
      weights,
      file: `checkpoints/${basename(file)}`,
      weightsSha256: weightsSha256(weights),
    },
    trainedOn: checkpoint.digests.dataset,
  };
}
