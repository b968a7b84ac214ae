import { stat } from 'node:fs/promises';
import type { TrainConfig } from '../../../shared/config/config.ts';
import type { RunView } from '../../../shared/live/feed.ts';
import { stepsFile } from '../../run/files.ts';
import type { RunDirectory } from '../../run/run-directory.ts';
import { readSteps } from '../../run/step-lines.ts';
import type { StepRecord } from '../../train/observer.ts';
import type { LiveFeed } from './live-feed.ts';

/** A log of more bytes isn't read again for a page: it would hold up the run. */
const MAX_LOG_BYTES = 1 << 28;
/** Of no interest to who watches, named otherwise on the page, or a URL whose query may hold a key. */
const NOT_SHOWN: ReadonlySet<string> = new Set(['json', 'resume', 'forceUnlock', 'config', 'preset', 'remoteWrite']);

/** What a page lists of a config. */
export function configShown(config: TrainConfig): RunView['config'] {
  const entries = Object.entries(config).filter(([key, value]) => value !== undefined && !NOT_SHOWN.has(key));
  return Object.fromEntries(entries) as RunView['config'];
}

/** Tells a feed what earlier attempts of its run have logged. */
export async function recall(directory: RunDirectory, until: number, feed: LiveFeed): Promise<void> {
  const log = stepsFile(directory.path);
  if (until === 0 || (await stat(log)).size > MAX_LOG_BYTES) return;
  await feed.recall(stepsUntil(until, log));
}

async function* stepsUntil(until: number, log: string): AsyncGenerator<StepRecord> {
  for await (const record of readSteps(log)) {
    if (record.step > until) return;
    yield record;
  }
}
