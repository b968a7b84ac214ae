import { join } from 'node:path';

// The names of the files in a run directory.
export const MANIFEST = 'run.json';
export const STEPS = 'steps.jsonl';
export const CHECKPOINTS = 'checkpoints';
/** The last sample that --remote-write has sent. */
export const SEND_CURSOR = 'remote-write.json';

export function manifestFile(run: string): string {
  return join(run, MANIFEST);
}

export function stepsFile(run: string): string {
  return join(run, STEPS);
}

export function checkpointsFolder(run: string): string {
  return join(run, CHECKPOINTS);
}
