import { join } from 'node:path';

/** What a run directory holds, by name. */
export const MANIFEST = 'run.json';
export const STEPS = 'steps.jsonl';
export const CHECKPOINTS = 'checkpoints';
/** How far --remote-write has come. */
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
