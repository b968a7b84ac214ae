// lockstep runs                                 the runs below runs/, newest first
// lockstep runs elsewhere --json
// lockstep runs --tag baseline first second     both get the tag; --untag takes it, --note "text" first notes something
// lockstep runs --tagged baseline               those that have it
// lockstep runs --remove first second           deletes both, or neither if one can't be deleted
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { CHECKPOINTS, LOCK, MANIFEST, manifestFile, partNumber, STEPS } from '../../coordinator/run/files.ts';
import { type ListedRun, listRuns, sizeOf } from '../../coordinator/run/list.ts';
import { lockState, RunLock } from '../../coordinator/run/run-lock.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { datasetText, standIn } from '../../shared/data/registry.ts';
import type { Evaluation } from '../../shared/live/step-scalars.ts';
import { RunDirectoryError, RunLockError, UsageError } from '../../shared/util/errors.ts';
import { bytesText } from '../../shared/util/figures.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { alignedTable } from '../aligned-table.ts';
import { print, printJson, printLines } from '../print.ts';
import { testFigure } from '../progress/texts.ts';
import { runsBelow } from '../run-names.ts';
import { changeNotes, type NoteFlags, tagsIn } from './run-notes.ts';

const AGES = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
] as const;
/** Characters of a note in the table; --json has all of it. */
const NOTE_WIDTH = 60;
/** Columns of figures, which are aligned to the right. */
const FIGURES: ReadonlySet<string> = new Set(['step', 'test', 'age', 'size']);

interface RunsFlags extends NoteFlags {
  readonly remove?: readonly string[];
  readonly tagged?: string;
}

/**
 * `lockstep runs [FOLDER]`: lists the runs below a folder, deletes those that --remove names, or changes tags and notes of some.
 * @returns the exit code
 * @throws UsageError if a path isn't a folder or a run, RunLockError if a process may be using a run that is to be deleted,
 * RunDirectoryError if one can't be deleted
 */
export async function runs(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { remove, tag, untag, note, tagged, ...others } = flags as RunsFlags & Record<string, unknown>;
  const { json } = resolveReadConfig({ flags: others, env: process.env });
  const folder = callerPath(path ?? 'runs', process.env);
  if (path !== undefined) await refuseOtherThanFolder(folder);
  if (remove !== undefined) {
    if ((tag ?? untag ?? note ?? tagged) !== undefined) throw new UsageError('--remove: expected no other flag.');
    const removed = await removeRuns(remove, folder);
    if (json) printJson(removed);
    else printLines(removedText(removed));
    return 0;
  }
  const wanted = tagged === undefined ? [] : tagsIn(tagged, '--tagged');
  if ((tag ?? untag ?? note) !== undefined) await changeNotes({ tag, untag, note }, folder);
  const found = (await listRuns(folder)).filter(({ tags }) => wanted.every((each) => tags.includes(each)));
  for (const { notesProblem } of found) if (notesProblem !== undefined) print(notesProblem);
  if (json) printJson(found);
  else if (found.length > 0) printLines(tableOf(found, new Date()));
  else print(`No runs below ${shownPath(folder)}${tagged === undefined ? '' : ` that have the tag ${tagged}`}.`);
  return 0;
}

async function refuseOtherThanFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  const problem = found === undefined ? `There is no folder ${path}` : `${path} is a file`;
  throw new UsageError(`${problem}: expected a folder of run directories. To delete runs, name them after --remove.`);
}

/** The runs as a table for people, a line each. */
export function tableOf(listed: readonly ListedRun[], now: Date): string[] {
  // The column of data sets is shown if needed, so that figures for another set aren't taken for the default one's.
  const hasOther = listed.some(({ dataset }) => standIn(dataset) !== undefined);
  const hasTags = listed.some(({ tags }) => tags.length > 0);
  const hasNotes = listed.some(({ note }) => note !== undefined);
  const some = [...(hasOther ? ['data'] : []), ...(hasTags ? ['tags'] : []), ...(hasNotes ? ['note'] : [])];
  const rows = listed.map(({ name, state, host, step, iterations, changed, bytes, ...run }) => [
    name,
    host === undefined ? state : `${state} on ${host}`,
    iterations === undefined ? '-' : `${step}/${iterations}`,
    testText(run),
    ageText(changed, now),
    bytesText(bytes),
    ...(hasOther ? [datasetText(run.dataset ?? '-')] : []),
    ...(hasTags ? [run.tags.join(',')] : []),
    ...(hasNotes ? [noteText(run.note)] : []),
  ]);
  return alignedTable([['name', 'state', 'step', 'test', 'age', 'size', ...some], ...rows], FIGURES);
}

function noteText(note = ''): string {
  return note.length > NOTE_WIDTH ? `${note.slice(0, NOTE_WIDTH - 1)}…` : note;
}

function testText(evaluation: Evaluation): string {
  const { name, value } = testFigure(evaluation) ?? { name: 'accuracy', value: '-' };
  return name === 'accuracy' ? value : `${name} ${value}`;
}

/** A time in its largest whole unit, such as 45 s, 3 min, 2 h or 5 d. */
export function ageText(since: Date, now: Date): string {
  // Not negative, although another machine's clock may be ahead.
  const seconds = Math.max(0, Math.floor((now.getTime() - since.getTime()) / 1000));
  const [length, unit] = AGES.find(([length]) => seconds >= length) ?? [1, 's'];
  return `${Math.floor(seconds / length)} ${unit}`;
}

type Removed = Pick<ListedRun, 'name' | 'path' | 'bytes'>;

/** Deletes runs: none of them if one isn't a run below the folder, or may be in use. */
async function removeRuns(names: readonly string[], folder: string): Promise<Removed[]> {
  const paths = await runsBelow(folder, names, { flag: '--remove', usage: '--remove NAME', done: 'removed' });
  for (const path of paths) await refuseUnremovable(path);
  const found: Removed[] = [];
  for (const path of paths) found.push({ name: relative(folder, path), path, bytes: await sizeOf(path) });
  const locks: RunLock[] = [];
  try {
    // All locks are held before anything is deleted, so that no run is resumed meanwhile.
    for (const path of paths) locks.push(await RunLock.acquire(path, { force: false, print: () => {} }));
    for (const { path } of found) await removeRun(path);
    return found;
  } finally {
    for (const lock of locks) await lock.release().catch(() => {});
  }
}

/** @throws UsageError if a path isn't a run directory, RunLockError if a process may be using it */
async function refuseUnremovable(path: string): Promise<void> {
  const shown = shownPath(path);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) throw new UsageError(`There is no run ${shown}. Nothing was removed.`);
  if (found.isSymbolicLink()) {
    throw new UsageError(
      `${shown} is a link, and links aren't followed. Remove the link itself by rm. Nothing was removed.`,
    );
  }
  const manifest = await lstat(manifestFile(path)).catch(() => undefined);
  // Other folders may have a run.json too.
  const names = found.isDirectory() ? await readdir(path) : [];
  const isOwn = (name: string): boolean => name === STEPS || name === CHECKPOINTS || partNumber(name) !== undefined;
  const isRun = manifest?.isFile() && names.some(isOwn);
  if (!isRun) {
    const lacks = manifest?.isFile() ? 'neither steps.jsonl nor checkpoints' : `no ${MANIFEST}`;
    throw new UsageError(`${shown} isn't a run directory: it has ${lacks}. Nothing was removed.`);
  }
  const { state, owner } = await lockState(path);
  if (state === 'free' || state === 'stale') return;
  const holder = owner === undefined ? 'an unreadable lock' : `process ${owner.pid} on host ${owner.host}`;
  const advice =
    state === 'held'
      ? 'End that process first'
      : `This host can't check whether a process is using it; if you are sure that none is, remove ${join(shown, LOCK)}`;
  throw new RunLockError(`${shown} is held by ${holder}. ${advice}. Nothing was removed.`, {
    isTemporary: owner !== undefined,
  });
}

/** @throws RunDirectoryError if not all of it can be deleted */
async function removeRun(path: string): Promise<void> {
  try {
    // run.json and the lock are removed last: after a failure the rest is still a run directory, which can be removed later.
    const others = (await readdir(path)).filter((name) => !name.startsWith('run.'));
    for (const name of others) await rm(join(path, name), { recursive: true });
    await rm(path, { recursive: true });
  } catch (error) {
    throw new RunDirectoryError(
      `${path} could not be removed: ${(error as Error).message}. The runs named before it were removed; fix this, then remove the rest.`,
      { cause: error },
    );
  }
}

function removedText(removed: readonly Removed[]): string[] {
  const freed = removed.reduce((sum, { bytes }) => sum + bytes, 0);
  return [...removed.map(({ name }) => `Removed ${name}.`), `Freed ${bytesText(freed)}.`];
}
