import type { ListedView } from '../shared/live/feed.ts';
import { type Column, LIST_COLUMNS, type ListView, mainFigure, testOf } from '../shared/live/run-list.ts';
import type { Evaluation } from '../shared/live/step-scalars.ts';
import { bytesText, count, percent } from '../shared/util/figures.ts';
import { clock, duration, figure } from './format.ts';
import { pill, withText } from './panels.ts';
import { swatch } from './theme.ts';

const HEADINGS: Readonly<Record<Column, string>> = {
  name: 'Run',
  state: 'State',
  step: 'Step',
  test: 'Test',
  best: 'Best validation',
  started: 'Started',
  duration: 'Duration',
  size: 'Size',
  data: 'Data',
  tags: 'Tags',
  note: 'Note',
};
/** Columns that are there if a run has something in them. */
const OPTIONAL: readonly Column[] = ['best', 'tags', 'note'];
/** Columns of numbers, of which the largest come first. */
export const FIGURES: ReadonlySet<Column> = new Set(['step', 'test', 'best', 'started', 'duration', 'size']);
const NONE = '–';

export interface RunsTableEvents {
  onSort(column: Column): void;
  onChoose(name: string, isChosen: boolean): void;
  onTag(tag: string): void;
}

interface Row {
  readonly element: HTMLTableRowElement;
  readonly box: HTMLInputElement;
  readonly line: HTMLElement;
  readonly cells: ReadonlyMap<Column, HTMLElement>;
}

/** The table of all runs. Rows stay when something changes, so that the focus stays where it is. */
export class RunsTable {
  readonly #events: RunsTableEvents;
  readonly #headings = new Map<Column, HTMLTableCellElement>();
  readonly #rows = new Map<string, Row>();
  readonly #body = document.createElement('tbody');

  constructor(table: HTMLElement, events: RunsTableEvents) {
    this.#events = events;
    const head = document.createElement('thead');
    const row = document.createElement('tr');
    for (const column of LIST_COLUMNS) {
      const heading = document.createElement('th');
      heading.scope = 'col';
      heading.classList.toggle('number', FIGURES.has(column));
      const button = withText('button', HEADINGS[column]) as HTMLButtonElement;
      button.type = 'button';
      button.addEventListener('click', () => events.onSort(column));
      heading.append(button);
      row.append(heading);
      this.#headings.set(column, heading);
    }
    head.append(row);
    table.replaceChildren(head, this.#body);
  }

  /** @param all decide which columns there are @param shown the runs in order @param looks of the chosen runs, by name */
  show(
    all: readonly ListedView[],
    { shown, view, looks }: { shown: readonly ListedView[]; view: ListView; looks: ReadonlyMap<string, number> },
  ): void {
    const hidden = new Set(OPTIONAL.filter((column) => !all.some((run) => hasColumn(run, column))));
    for (const [column, heading] of this.#headings) {
      heading.hidden = hidden.has(column);
      const order = view.isDescending ? 'descending' : 'ascending';
      heading.setAttribute('aria-sort', view.sort === column ? order : 'none');
    }
    const names = new Set(all.map(({ name }) => name));
    for (const name of this.#rows.keys()) if (!names.has(name)) this.#rows.delete(name);
    const elements = shown.map((run) => {
      const row = this.#rowOf(run.name);
      this.#fill(row, run, hidden, looks.get(run.name));
      return row.element;
    });
    const isSame = elements.length === this.#body.children.length;
    if (isSame && elements.every((element, i) => element === this.#body.children[i])) return;
    const focused = document.activeElement;
    this.#body.replaceChildren(...elements);
    if (focused instanceof HTMLElement && this.#body.contains(focused)) focused.focus({ preventScroll: true });
  }

  #rowOf(name: string): Row {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const [element, box] = [document.createElement('tr'), document.createElement('input')];
    const [label, line] = [document.createElement('label'), document.createElement('span')];
    box.type = 'checkbox';
    box.addEventListener('change', () => this.#events.onChoose(name, box.checked));
    const text = withText('span', name);
    text.className = 'name';
    text.title = name;
    label.append(box, line, text);
    const cells = new Map<Column, HTMLElement>();
    for (const column of LIST_COLUMNS) {
      const cell = document.createElement(column === 'name' ? 'th' : 'td');
      if (column === 'name') (cell as HTMLTableCellElement).scope = 'row';
      cell.classList.toggle('number', FIGURES.has(column));
      cell.dataset.label = HEADINGS[column];
      cell.dataset.column = column;
      cells.set(column, cell);
    }
    cells.get('name')?.append(label);
    element.append(...cells.values());
    const row = { element, box, line, cells };
    this.#rows.set(name, row);
    return row;
  }

  #fill(
    { element, box, line, cells }: Row,
    run: ListedView,
    hidden: ReadonlySet<Column>,
    look: number | undefined,
  ): void {
    box.checked = look !== undefined;
    element.classList.toggle('chosen', look !== undefined);
    if (line.dataset.look !== String(look)) line.replaceChildren(...(look === undefined ? [] : [swatch(look)]));
    line.dataset.look = String(look);
    for (const [column, cell] of cells) {
      cell.hidden = hidden.has(column);
      if (column === 'name') continue;
      const text = textOf(run, column);
      if (cell.dataset.text === text) continue;
      cell.dataset.text = text;
      cell.replaceChildren(...this.#contents(run, column, text));
    }
    if (run.notesProblem !== undefined) element.title = run.notesProblem;
  }

  #contents(run: ListedView, column: Column, text: string): Node[] {
    if (column === 'state') return [pill(run.state, text)];
    if (column !== 'tags' || run.tags.length === 0) return text === '' ? [] : [document.createTextNode(text)];
    return run.tags.map((tag) => {
      const button = withText('button', tag) as HTMLButtonElement;
      button.type = 'button';
      button.className = 'tag';
      button.title = `Show the runs with ${tag}`;
      button.addEventListener('click', () => this.#events.onTag(tag));
      return button;
    });
  }
}

function hasColumn(run: ListedView, column: Column): boolean {
  return !['', NONE].includes(textOf(run, column));
}

function textOf(run: ListedView, column: Column): string {
  const { state, host, step, iterations, best, started, seconds, bytes, dataset, tags, note } = run;
  switch (column) {
    case 'name':
      return run.name;
    case 'state':
      return host === undefined ? state : `${state} on ${host}`;
    case 'step':
      return iterations === undefined ? NONE : `${count(step ?? 0)} of ${count(iterations)}`;
    case 'test':
      return figureText(testOf(run));
    case 'best':
      return best === undefined ? NONE : `${figureText(best)} at ${count(best.step)}`;
    case 'started':
      return started === undefined ? NONE : clock(started);
    case 'duration':
      return seconds === undefined ? NONE : duration(seconds);
    case 'size':
      return bytesText(bytes);
    case 'data':
      return dataset ?? NONE;
    case 'tags':
      return tags.join(' ');
    case 'note':
      return note ?? '';
  }
}

function figureText(evaluation: Evaluation): string {
  const found = mainFigure(evaluation);
  if (found === undefined) return NONE;
  return found.name === 'accuracy' ? percent(found.value) : `${found.name} ${figure(found.value)}`;
}
