import { basename } from 'node:path';
import { checkpointsIn } from '../../../shared/checkpoint/checkpoint-file.ts';
import { dataNote } from '../../../shared/data/registry.ts';
import type { ListedRunView } from '../../../shared/live/feed.ts';
import { packSeries } from '../../../shared/live/packed-series.ts';
import type { CurveQuantity } from '../../../shared/live/series.ts';
import { headOf } from '../../../shared/model/kinds.ts';
import { specOf } from '../../../shared/model/registry.ts';
import { checkpointsFolder, stepsFile } from '../../run/files.ts';
import { openRun, stateOf } from '../../run/list.ts';
import type { Attempt } from '../../run/manifest.ts';
import { readNodes } from '../../run/node-record.ts';
import { readSteps } from '../../run/step-reader.ts';
import { History } from './history.ts';
import { LogFollower } from './log-follower.ts';
import { configShown } from './recall.ts';

/** Running runs whose steps so far are kept, so that a page that follows one has only the new ones read. */
const MAX_FOLLOWED = 32;

interface Followed {
  /** A resumed run's log was cut. */
  readonly attempts: number;
  readonly log: LogFollower;
}

/** Reads runs from their directories. */
export class SavedRuns {
  /** By path; the one that was read last is last. */
  readonly #followed = new Map<string, Followed>();
  readonly #underWay = new Map<string, Promise<ListedRunView>>();

  /**
   * A run as a page shows it; pages that ask at the same time have the same answer.
   * @throws RunDirectoryError if its files can't be read
   */
  read(path: string, name: string): Promise<ListedRunView> {
    const underWay = this.#underWay.get(path);
    if (underWay !== undefined) return underWay;
    const reading = this.#read(path, name).finally(() => this.#underWay.delete(path));
    this.#underWay.set(path, reading);
    return reading;
  }

  async #read(path: string, name: string): Promise<ListedRunView> {
    const { manifest, lock } = await openRun(path);
    const { config, dataset, digests, attempts, started, result } = manifest;
    const { state } = stateOf(manifest, lock);
    const history = await this.#historyOf(path, state === 'running' ? attempts.length : undefined);
    const { series, tests } = history.view;
    const checkpoints = (await checkpointsIn(checkpointsFolder(path))).reverse();
    return {
      name,
      state,
      started: Date.parse(started),
      iterations: config.iterations,
      batch: config.batch,
      hasAccuracy: headOf(specOf(config).head).hasAccuracy,
      dataNote: dataNote(dataset),
      config: configShown(config),
      digests: digests as Record<string, string>,
      series: { ...packSeries(series, Object.keys(series.values) as CurveQuantity[]), times: series.times },
      tests,
      checkpoints: checkpoints.map(({ step, file }) => ({ step, file: basename(file) })),
      happenings: attempts.flatMap((attempt, index) => eventsOf(attempt, index + 1)),
      weightsSha256: result?.weightsSha256,
      nodes: await readNodes(path),
    };
  }

  /** @param attempts of a running run; undefined: the log doesn't grow */
  async #historyOf(path: string, attempts: number | undefined): Promise<History> {
    const before = this.#followed.get(path);
    this.#followed.delete(path);
    if (attempts === undefined) return wholeHistory(path);
    const followed = before?.attempts === attempts ? before : { attempts, log: new LogFollower(stepsFile(path)) };
    const history = await followed.log.read();
    if (history === undefined) return wholeHistory(path);
    this.#followed.set(path, followed);
    const [oldest] = this.#followed.keys();
    if (this.#followed.size > MAX_FOLLOWED && oldest !== undefined) this.#followed.delete(oldest);
    return history;
  }
}

async function wholeHistory(path: string): Promise<History> {
  const history = new History();
  for await (const record of readSteps(stepsFile(path))) history.step(record);
  return history;
}

function eventsOf({ started, ended, from, steps, host }: Attempt, number: number): ListedRunView['happenings'] {
  const where = from === 0 ? 'from the beginning' : `from step ${from}`;
  const began = { at: Date.parse(started), message: `Attempt ${number} on ${host} began ${where}.` };
  if (ended === undefined) return [began];
  return [began, { at: Date.parse(ended), message: `Attempt ${number} ended after step ${steps}.` }];
}
