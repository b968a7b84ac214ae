import { dirname, join } from 'node:path';
import { replacedBy } from '../../shared/util/replace-file.ts';

// The names of the files in a run directory.
export const MANIFEST = 'run.json';
export const STEPS = 'steps.jsonl';
export const CHECKPOINTS = 'checkpoints';
export const TENSORBOARD = 'tensorboard';
export const LOCK = 'run.lock';
/** The last sample that --remote-write has sent. */
export const SEND_CURSOR = 'remote-write.json';
/** What the nodes of the last attempt did and used. */
export const NODES = 'nodes.json';
/** What people note about a run. The run's process never writes it. */
export const NOTES = 'notes.json';

/** A folder with one of these is a run directory. */
export const MARKS = [MANIFEST, STEPS, LOCK] as const;

const OWN: ReadonlySet<string> = new Set([MANIFEST, STEPS, CHECKPOINTS, TENSORBOARD, LOCK, SEND_CURSOR, NODES, NOTES]);

/** An old part of the log: `steps.00000001.jsonl`, compressed with `.gz` at its end. */
const PART = /^steps\.(\d{8,12})\.jsonl(\.gz)?$/;
export const COMPRESSED = '.gz';

/** The number of an old part of the log, from 1 on, by its file's name; undefined: it isn't one. */
export function partNumber(name: string): number | undefined {
  const [, digits] = PART.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** The file of an old part of a log before it is compressed. */
export function partFile(log: string, number: number): string {
  return join(dirname(log), `steps.${String(number).padStart(8, '0')}.jsonl`);
}

/** Whether a name in a run directory is the run's own, on file systems that ignore case too, or that of a temporary file of it. */
export function isRunFile(name: string): boolean {
  const lower = name.toLowerCase();
  const own = replacedBy(lower) ?? lower;
  return OWN.has(own) || partNumber(own) !== undefined || lower.startsWith(`${LOCK}.`);
}

export function manifestFile(run: string): string {
  return join(run, MANIFEST);
}

export function stepsFile(run: string): string {
  return join(run, STEPS);
}

export function checkpointsFolder(run: string): string {
  return join(run, CHECKPOINTS);
}
