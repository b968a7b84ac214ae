// The page of the runs on a disk: a list, and the curves of those that are chosen.
import { type FeedMessage, type ListedRunView, type ListedView, RUN_PATH } from '../shared/live/feed.ts';
import { unpackSeries } from '../shared/live/packed-series.ts';
import { hashOf, type ListView, shownRuns, viewOf } from '../shared/live/run-list.ts';
import { showOptions } from './options-table.ts';
import { element, show } from './panels.ts';
import { Run } from './run.ts';
import { FIGURES, RunsTable } from './runs-table.ts';

/** Runs that are asked for at once: a browser permits six connections to a server. */
const MAX_LOADING = 3;

/** A chosen run, or why there is none of this name. */
interface Loaded {
  /** What the list said of it when it was asked for. */
  readonly version: string;
  readonly run?: Run;
  readonly problem?: string;
}

export class RunsPage {
  readonly #onRuns: (runs: readonly Run[]) => void;
  readonly #table: RunsTable;
  #listed: readonly ListedView[] = [];
  #view: ListView = viewOf(location.hash);
  #title = '';
  /** Colours and dashes by the names of the chosen runs: a run keeps its own until it isn't chosen any more. */
  #looks = new Map<string, number>();
  #loaded = new Map<string, Loaded>();
  readonly #loading = new Set<string>();
  #shown: readonly Run[] | undefined;

  /** @param onRuns shows the chosen runs that were loaded */
  constructor(onRuns: (runs: readonly Run[]) => void) {
    this.#onRuns = onRuns;
    this.#table = new RunsTable(element('runs-table'), {
      onSort: (sort) => {
        const isDescending = this.#view.sort === sort ? !this.#view.isDescending : FIGURES.has(sort);
        this.#change({ sort, isDescending });
      },
      onChoose: (name, isChosen) => {
        const others = this.#chosen.filter((each) => each !== name);
        this.#change({ chosen: isChosen ? [...others, name] : others });
      },
      onTag: (tag) => this.#change({ filter: tag }),
    });
    const filter = element<HTMLInputElement>('filter');
    filter.addEventListener('input', () => this.#change({ filter: filter.value }));
    element('choose-all').addEventListener('click', () => {
      const names = shownRuns(this.#listed, this.#view).map(({ name }) => name);
      this.#change({ chosen: [...new Set([...this.#chosen, ...names])] });
    });
    element('choose-none').addEventListener('click', () => this.#change({ chosen: [] }));
    addEventListener('hashchange', () => {
      this.#view = viewOf(location.hash);
      this.#update();
    });
  }

  /** Replaces the list. */
  take({ runs, title, isChosen }: FeedMessage & { readonly type: 'list' }): void {
    this.#listed = runs;
    this.#title = title;
    if (this.#view.chosen === undefined && runs.length > 0) {
      const chosen = isChosen ? runs : shownRuns(runs, this.#view).slice(0, 1);
      this.#view = { ...this.#view, chosen: chosen.map(({ name }) => name) };
    }
    this.#update();
  }

  get #chosen(): readonly string[] {
    return this.#view.chosen ?? [];
  }

  #change(change: Partial<ListView>): void {
    this.#view = { ...this.#view, ...change };
    // The address is that of what is shown, and no step back leads through each choice.
    history.replaceState(null, '', `#${hashOf(this.#view)}`);
    this.#update();
  }

  #update(): void {
    const chosen = this.#chosen;
    const kept = [...this.#looks].filter(([name]) => chosen.includes(name));
    this.#looks = new Map(kept);
    for (const name of chosen) if (!this.#looks.has(name)) this.#looks.set(name, this.#freeLook());
    this.#loaded = new Map([...this.#loaded].filter(([name]) => chosen.includes(name)));
    this.#showList();
    this.#showRuns();
    this.#load();
  }

  #freeLook(): number {
    const taken = new Set(this.#looks.values());
    let look = 0;
    while (taken.has(look)) look++;
    return look;
  }

  #showList(): void {
    const shown = shownRuns(this.#listed, this.#view);
    this.#table.show(this.#listed, { shown, view: this.#view, looks: this.#looks });
    const filter = element<HTMLInputElement>('filter');
    if (filter.value !== this.#view.filter) filter.value = this.#view.filter;
    const [all, some, chosen] = [this.#listed.length, shown.length, this.#chosen.length];
    const number = some === all ? `${all} ${all === 1 ? 'run' : 'runs'}` : `${some} of ${all} runs`;
    show('runs-number', all === 0 ? `No runs below ${this.#title} yet.` : `${number}, ${chosen} chosen`);
  }

  #showRuns(): void {
    const loaded = this.#chosen.flatMap((name) => this.#loaded.get(name) ?? []);
    const runs = loaded.flatMap(({ run }) => run ?? []);
    const problems = loaded.flatMap(({ problem }) => problem ?? []);
    element('problem').hidden = problems.length === 0;
    show('problem', problems.join(' '));
    // What the list says of runs that aren't chosen changes nothing here.
    const isSame = runs.length === this.#shown?.length && runs.every((run, i) => run === this.#shown?.[i]);
    if (isSame) return;
    this.#shown = runs;
    this.#onRuns(runs);
    showOptions(runs);
  }

  /** Loads the chosen runs, a few at a time: those that weren't loaded, then those of which the list has something new. */
  #load(): void {
    for (let name = this.#next(); name !== undefined && this.#loading.size < MAX_LOADING; name = this.#next()) {
      void this.#loadOne(name);
    }
  }

  async #loadOne(name: string): Promise<void> {
    this.#loading.add(name);
    const loaded = await this.#read(name, this.#versionOf(name));
    this.#loading.delete(name);
    if (this.#looks.has(name)) {
      this.#loaded.set(name, loaded);
    }
    this.#load();
    // Of many runs that come one after another, each would have all of them drawn again.
    const isMuchMore = this.#loaded.size >= 2 * (this.#shown?.length ?? 0);
    if (this.#loading.size === 0 || isMuchMore) this.#showRuns();
  }

  #next(): string | undefined {
    const stale = this.#chosen.filter((name) => {
      return !this.#loading.has(name) && this.#loaded.get(name)?.version !== this.#versionOf(name);
    });
    return stale.find((name) => !this.#loaded.has(name)) ?? stale[0];
  }

  #versionOf(name: string): string {
    const run = this.#listed.find((each) => each.name === name);
    return run === undefined ? 'none' : [run.state, run.step, run.changed].join();
  }

  async #read(name: string, version: string): Promise<Loaded> {
    const before = this.#loaded.get(name)?.run;
    try {
      const answer = await fetch(`${RUN_PATH}?${new URLSearchParams({ name })}`);
      if (!answer.ok) return { version, problem: `${name}: ${await answer.text()}` };
      const { series, ...view } = (await answer.json()) as ListedRunView;
      return { version, run: new Run({ ...view, series: unpackSeries(series) }, this.#looks.get(name)) };
    } catch {
      // The feed tells of a lost connection, and sends the list again when it is back.
      return { version, ...(before && { run: before }) };
    }
  }
}
