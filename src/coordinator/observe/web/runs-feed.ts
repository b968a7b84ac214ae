import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { FeedMessage, ListedRunView, ListedView } from '../../../shared/live/feed.ts';
import { shownPath } from '../../../shared/util/shown-path.ts';
import { LOCK, manifestFile, NOTES, stepsFile } from '../../run/files.ts';
import { isRun, runsUnder } from '../../run/find.ts';
import { type ListedRun, listedRun } from '../../run/list.ts';
import { EventStreamClients } from './event-stream-clients.ts';
import type { Feed } from './routes.ts';
import { SavedRuns } from './saved-run.ts';

/** The least time between two looks at the runs, and its least ratio to the time that a look takes. */
const LOOK_MS = 2000;
const LOOK_RATIO = 10;

interface Known {
  /** Sizes and times of what decides the entry. */
  readonly stamp: string;
  readonly run: ListedRun;
}

/** Run directories for a page, which lists them all and asks for those that are chosen. Nothing is read while no page is open. */
export class RunsFeed implements Feed {
  readonly clients = new EventStreamClients();
  readonly #places: readonly string[];
  readonly #isChosen: boolean;
  readonly #saved = new SavedRuns();
  #known = new Map<string, Known>();
  #timer: NodeJS.Timeout | undefined;
  #sent = '';

  /**
   * @param places run directories, and folders of them, whose runs are listed as they come and go, those of a sweep in it too
   * @param isChosen whether all runs are chosen at first; otherwise the newest is
   */
  constructor(places: readonly string[], { isChosen }: { readonly isChosen: boolean }) {
    this.#places = places;
    this.#isChosen = isChosen;
  }

  async snapshot(): Promise<FeedMessage> {
    const message = await this.#look();
    this.#publish(message);
    this.#lookLater(LOOK_MS);
    return message;
  }

  /**
   * A run of the list, by its name there; undefined: there is none.
   * @throws RunDirectoryError if its files can't be read
   */
  async run(name: string): Promise<ListedRunView | undefined> {
    const path = (await this.#paths()).get(name);
    return path === undefined ? undefined : this.#saved.read(path, name);
  }

  #lookLater(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#sendChange(), wait);
    this.#timer.unref();
  }

  async #sendChange(): Promise<void> {
    if (this.clients.size === 0) return;
    const before = performance.now();
    // What can't be read now may be readable the next time.
    const message = await this.#look().catch(() => undefined);
    if (message !== undefined) this.#publish(message);
    this.#lookLater(Math.max(LOOK_MS, LOOK_RATIO * (performance.now() - before)));
  }

  /** Sends the list to the pages if it has changed. */
  #publish(message: FeedMessage): void {
    const text = JSON.stringify(message);
    if (text !== this.#sent) this.clients.send(message);
    this.#sent = text;
  }

  async #look(): Promise<FeedMessage> {
    const known = new Map<string, Known>();
    const names = await this.#paths();
    for (const path of names.values()) known.set(path, await this.#entry(path));
    this.#known = known;
    const runs = [...names].map(([name, path]) => listedView(name, (known.get(path) as Known).run));
    return { type: 'list', title: this.#places.map(shownPath).join(', '), isChosen: this.#isChosen, runs };
  }

  /** A run's entry is only read again if something has changed, or if it may be running. */
  async #entry(path: string): Promise<Known> {
    const before = this.#known.get(path);
    const stamp = await stampOf(path);
    if (before?.stamp === stamp && before.run.state !== 'running') return before;
    return { stamp, run: await listedRun(path) };
  }

  /** The paths by the names that the page has for them: a run's own, or of two with the same name their paths. */
  async #paths(): Promise<Map<string, string>> {
    const named = new Map<string, string>();
    for (const place of this.#places) {
      const found = (await isRun(place)) ? [{ path: place, name: basename(place) }] : await runsUnder(place);
      for (const { path, name } of found) named.set(path, name);
    }
    const names = [...named.values()];
    const isOnly = (name: string): boolean => names.indexOf(name) === names.lastIndexOf(name);
    return new Map([...named].map(([path, name]) => [isOnly(name) ? name : shownPath(path), path]));
  }
}

function listedView(name: string, { path: _, changed, started, ...run }: ListedRun): ListedView {
  return { ...run, name, changed: changed.getTime(), started: started?.getTime() };
}

async function stampOf(path: string): Promise<string> {
  const files = [manifestFile(path), stepsFile(path), join(path, LOCK), join(path, NOTES)];
  const found = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  return found.map((file) => `${file?.size} ${file?.mtimeMs}`).join();
}
