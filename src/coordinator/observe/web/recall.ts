import { stat } from 'node:fs/promises';
import { shownOption } from '../../../shared/config/compare-options.ts';
import { NEVER_WRITTEN, type TrainConfig } from '../../../shared/config/config.ts';
import type { OptionKey } from '../../../shared/config/schema.ts';
import type { RunView } from '../../../shared/live/feed.ts';
import { stepsFile } from '../../run/files.ts';
import type { RunDirectory } from '../../run/run-directory.ts';
import { readSteps } from '../../run/step-lines.ts';
import type { StepRecord } from '../../train/observer.ts';
import type { LiveFeed } from './live-feed.ts';

/** A larger log isn't read for a page: that would delay the run. */
const MAX_LOG_BYTES = 1 << 28;
/** Options that a page doesn't list: unimportant, shown elsewhere, or a URL whose query may hold a key. */
const NOT_SHOWN: ReadonlySet<string> = new Set([
  ...['json', 'resume', 'forceUnlock', 'config', 'preset', 'remoteWrite'],
  ...NEVER_WRITTEN,
]);

/** The options that a page lists. */
export function configShown(config: TrainConfig): RunView['config'] {
  const keys = Object.keys(config) as OptionKey[];
  const shown = keys.filter((key) => config[key] !== undefined && !NOT_SHOWN.has(key));
  return Object.fromEntries(shown.map((key) => [key, shownOption(key, config)])) as RunView['config'];
}

/** Adds the steps that earlier attempts have logged to a feed. */
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
