import { join } from 'node:path';
import { replacedBy } from '../../shared/util/replace-file.ts';

// The names of the files in a run directory.
export const MANIFEST = 'run.json';
export const STEPS = 'steps.jsonl';
export const CHECKPOINTS = 'checkpoints';
export const TENSORBOARD = 'tensorboard';
export const LOCK = 'run.lock';
/** The last sample that --remote-write has sent. */
export const SEND_CURSOR = 'remote-write.json';

/** A folder with one of these is a run directory. */
export const MARKS = [MANIFEST, STEPS, LOCK] as const;

const OWN: ReadonlySet<string> = new Set([MANIFEST, STEPS, CHECKPOINTS, TENSORBOARD, LOCK, SEND_CURSOR]);

/** Whether a name in a run directory is the run's own, on file systems that ignore case too, or that of a temporary file of it. */
export function isRunFile(name: string): boolean {
  const lower = name.toLowerCase();
  return OWN.has(replacedBy(lower) ?? lower) || lower.startsWith(`${LOCK}.`);
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
