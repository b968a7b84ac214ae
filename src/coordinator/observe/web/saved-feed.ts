import { basename } from 'node:path';
import { checkpointsIn } from '../../../shared/checkpoint/checkpoint-file.ts';
import { dataNote } from '../../../shared/data/registry.ts';
import type { FeedMessage, RunView } from '../../../shared/live/feed.ts';
import { headOf } from '../../../shared/model/kinds.ts';
import { specOf } from '../../../shared/model/registry.ts';
import { checkpointsFolder, stepsFile } from '../../run/files.ts';
import { openRun, stateOf } from '../../run/list.ts';
import type { Attempt } from '../../run/manifest.ts';
import { readSteps } from '../../run/step-reader.ts';
import { EventStreamClients } from './event-stream-clients.ts';
import { History } from './history.ts';
import { configShown } from './recall.ts';
import type { Feed } from './routes.ts';

/** The contents of run directories for the page, read whenever a page is loaded. */
export class SavedFeed implements Feed {
  readonly clients = new EventStreamClients();
  readonly #paths: readonly string[];

  constructor(paths: readonly string[]) {
    this.#paths = paths;
  }

  /** @throws RunDirectoryError if a directory can't be read */
  async snapshot(): Promise<FeedMessage> {
    const runs: RunView[] = [];
    for (const path of this.#paths) runs.push(await savedRun(path));
    return { type: 'runs', live: false, runs };
  }
}

async function savedRun(path: string): Promise<RunView> {
  const { manifest, lock } = await openRun(path);
  const { config, dataset, digests, attempts, started, result } = manifest;
  const history = new History();
  for await (const record of readSteps(stepsFile(path))) history.step(record);
  for (const { step, file } of (await checkpointsIn(checkpointsFolder(path))).reverse()) {
    history.checkpoint({ step, file: basename(file) });
  }
  for (const [index, attempt] of attempts.entries()) addEvents(attempt, index + 1, history);
  return {
    name: basename(path),
    state: stateOf(manifest, lock).state,
    started: Date.parse(started),
    iterations: config.iterations,
    batch: config.batch,
    hasAccuracy: headOf(specOf(config).head).hasAccuracy,
    dataNote: dataNote(dataset),
    config: configShown(config),
    digests: digests as Record<string, string>,
    ...history.view,
    weightsSha256: result?.weightsSha256,
  };
}

function addEvents({ started, ended, from, steps, host }: Attempt, number: number, history: History): void {
  const where = from === 0 ? 'from the beginning' : `from step ${from}`;
  history.happening({ at: Date.parse(started), message: `Attempt ${number} on ${host} began ${where}.` });
  if (ended === undefined) return;
  history.happening({ at: Date.parse(ended), message: `Attempt ${number} ended after step ${steps}.` });
}
