import { shownOption } from '../../../shared/config/compare-options.ts';
import { NEVER_WRITTEN, type TrainConfig } from '../../../shared/config/config.ts';
import type { OptionKey } from '../../../shared/config/schema.ts';
import type { RunView } from '../../../shared/live/feed.ts';
import { stepsFile } from '../../run/files.ts';
import type { RunDirectory } from '../../run/run-directory.ts';
import { endWithin } from '../../run/step-parts.ts';
import { type ReadOptions, readSteps } from '../../run/step-reader.ts';
import type { StepRecord } from '../../train/observer.ts';
import type { LiveFeed } from './live-feed.ts';

/** Of a longer log only the end is read for a page, and of its lines only as many as a chart shows: the run waits for it. */
const MAX_LOG_BYTES = 3 << 25;
const MAX_LINES = 1 << 14;
/** Bytes of a line, about. */
const LINE_BYTES = 350;
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

/** Adds the steps that earlier attempts have logged to a feed, of a long log some of the last ones. */
export async function recall(directory: RunDirectory, until: number, feed: LiveFeed): Promise<void> {
  const log = stepsFile(directory.path);
  if (until === 0) return;
  const { part, bytes } = await endWithin(log, MAX_LOG_BYTES);
  // An earlier version made no parts.
  if (bytes > MAX_LOG_BYTES) return;
  await feed.recall(stepsUntil(until, log, { fromPart: part, isWanted: oneOf(bytes / LINE_BYTES / MAX_LINES) }));
}

/** Chooses one of `every` lines, and each with an evaluation. */
function oneOf(every: number): (line: string) => boolean {
  const interval = Math.ceil(every);
  let number = 0;
  return (line) => number++ % interval === 0 || line.includes('"test');
}

async function* stepsUntil(until: number, log: string, options: ReadOptions): AsyncGenerator<StepRecord> {
  for await (const record of readSteps(log, options)) {
    if (record.step > until) return;
    yield record;
  }
}
