import type { NodeView, RunState, StatusView } from '../shared/live/feed.ts';
import { bytesText, count, percent } from '../shared/util/figures.ts';
import { clock, duration, figure, orDash } from './format.ts';
import type { Run } from './run.ts';

const SHOWN = 100;
/** The most runs that a warning names. */
const MAX_NAMED = 8;

export function element<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}

export function show(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

export function showState(state: RunState | 'connecting' | 'unreachable'): void {
  show('state', state === 'unreachable' ? 'connection lost, trying again' : state);
  element('state').dataset.state = state;
}

/** Shows the parts of a run that never change. */
export function showHeading(runs: readonly Run[]): void {
  const [run] = runs;
  const title =
    runs.length === 1 && run !== undefined ? run.view.name : runs.length === 0 ? 'runs' : `${runs.length} runs`;
  show('title', title);
  document.title = `${title} · Lockstep`;
  const notes = [...new Set(runs.flatMap(({ view }) => view.dataNote ?? []))];
  const namesOf = (note: string): string[] => {
    const names = runs.filter(({ view }) => view.dataNote === note).map(({ view }) => view.name);
    if (names.length > 1 && names.length === runs.length) return ['All of these runs'];
    return names.length > MAX_NAMED ? [`${names.length} of these runs`] : names;
  };
  element('warning').hidden = notes.length === 0;
  show('warning', notes.map((note) => `${namesOf(note).join(', ')}: ${note}`).join(' '));
  element('config').hidden = runs.length !== 1;
  if (runs.length === 1 && run !== undefined) showConfig(run);
}

function showConfig({ view: { config, digests } }: Run): void {
  const entries = [...Object.entries(config), ...Object.entries(digests)];
  element('config-list').replaceChildren(
    ...entries.flatMap(([key, value]) => [withText('dt', key), withText('dd', String(value))]),
  );
}

/** Shows the key figures of a run. */
export function showTiles(run: Run, status: StatusView | undefined): void {
  const [step, { iterations }] = [run.lastStep, run.view];
  show('step', count(step));
  show('of', `of ${count(iterations)}`);
  element<HTMLProgressElement>('progress').value = step / iterations;
  const [loss, accuracy, test] = [run.recent('loss'), run.recent('accuracy'), run.lastTest];
  show('loss-now', orDash(loss, figure));
  const hasAccuracy = run.view.hasAccuracy !== false;
  element('accuracy-tile').hidden = !hasAccuracy;
  show('accuracy-now', orDash(accuracy, percent));
  show('test-title', `Test ${testTitle(run)}`);
  show('test', testText(run));
  show('tested', test === undefined ? 'not measured yet' : `after step ${count(test.step)}${validationText(run)}`);
  const isOver = run.state !== 'running';
  showElapsed(run);
  if (status !== undefined && !isOver) {
    show('speed', count(status.speed));
    show('left', status.left === null ? '' : `${duration(status.left)} left`);
    const seconds = run.recent('seconds');
    show('paced', typeof seconds === 'number' ? paceText(run, seconds) : '');
  }
  if (isOver || status === undefined) {
    const seconds = run.recent('seconds');
    show(
      'speed',
      orDash(seconds, (each) => count(run.view.batch / each)),
    );
    show('paced', 'mean of the last 100 steps');
  }
  if (isOver) show('left', run.weightsSha256 === undefined ? run.state : `weights ${run.weightsSha256.slice(0, 16)}…`);
}

/** The time of a step and, with replicas, of a round. */
function paceText({ view }: Run, seconds: number): string {
  const { replicas = 1, syncEvery = 1 } = view.config;
  const step = `${duration(seconds)} a step`;
  return Number(replicas) > 1 ? `${step}, ${duration(seconds * Number(syncEvery))} a round` : step;
}

/** Shows the time since the start of a run, or its length, and what of it was training. */
function showElapsed({ view, series, state, lastStep }: Run): void {
  const last = series.has('wall') ? series.timeOf(lastStep, 'wall') : undefined;
  // Times rise by a millisecond a step, so those of faster steps are ahead of the clock.
  const end = state === 'running' ? Date.now() : last && Math.min(Date.now(), last);
  show('elapsed', end === undefined ? '–' : duration(Math.max(0, (end - view.started) / 1000)));
  show('trained', series.has('elapsed') ? `${duration(series.timeOf(lastStep, 'elapsed'))} in steps` : '');
}

/** What a run is tested by: models that tell numbers have no accuracy, and R² only once they were tested. */
function testTitle({ view, lastTest }: Run): string {
  if (typeof lastTest?.r2 === 'number') return 'R²';
  return view.hasAccuracy === false ? 'loss' : 'accuracy';
}

function testText({ view, lastTest }: Run): string {
  if (typeof lastTest?.r2 === 'number') return figure(lastTest.r2);
  return view.hasAccuracy === false ? orDash(lastTest?.loss, figure) : orDash(lastTest?.accuracy, percent);
}

/** What the last evaluation found of the validation samples, after a comma; nothing if there are none. */
function validationText({ view, lastTest }: Run): string {
  const { accuracy, loss } = lastTest?.validation ?? {};
  if (accuracy === undefined && loss === undefined) return '';
  return `, validation ${view.hasAccuracy === false ? orDash(loss, figure) : orDash(accuracy, percent)}`;
}

/**
 * Shows the nodes of a run.
 * @param note over what time the figures are
 * @param there what it says of a node that computes
 */
export function showNodes(nodes: readonly NodeView[], note: string, there = 'ready'): void {
  element('nodes').hidden = nodes.length === 0;
  show('nodes-note', note);
  const all = nodes.reduce((sum, { speed }) => sum + speed, 0);
  const head = [
    'Node',
    'State',
    'Threads',
    'Processors',
    'Memory',
    'Samples/s',
    'Share of work',
    'Shards done',
    'Late',
    'Lost',
  ];
  const rows = nodes.map(({ name, state, ready, starting, processors, memoryBytes, speed, done, late, lost }) => {
    const share = document.createElement('progress');
    share.value = all === 0 ? 0 : speed / all;
    const words = percent(share.value, 0);
    share.setAttribute('aria-label', words);
    const bar = document.createElement('td');
    bar.append(share, ` ${words}`);
    const stateCell = document.createElement('td');
    stateCell.append(pill(state, state === 'ready' ? there : state));
    const threads = starting > 0 ? `${ready} (+${starting} starting)` : String(ready);
    const cells = [threads, processors.toFixed(2), orDash(memoryBytes, bytesText), count(speed)].map((text) =>
      withText('td', text),
    );
    const counts = [done, late, lost].map((value) => withText('td', count(value)));
    return row([withText('th', name), stateCell, ...cells, bar, ...counts]);
  });
  const table = element('nodes-table');
  table.replaceChildren(row(head.map((text) => withText('th', text))), ...rows);
  labelCells(table);
}

export function showPhases(phases: StatusView['phases']): void {
  const entries = Object.entries(phases).filter(([, seconds]) => seconds > 0);
  element('phases').hidden = entries.length === 0;
  const all = entries.reduce((sum, [, seconds]) => sum + seconds, 0);
  const parts = entries.map(([phase, seconds]) => {
    const part = document.createElement('span');
    part.dataset.phase = phase;
    part.style.flexGrow = String(seconds / all);
    part.title = `${phase}: ${duration(seconds)}`;
    return part;
  });
  element('phases-bar').replaceChildren(...parts);
  const keys = entries.map(([phase, seconds]) => {
    const item = withText('li', `${phase} ${duration(seconds)}, ${percent(seconds / all, 0)}`);
    item.dataset.phase = phase;
    return item;
  });
  element('phases-key').replaceChildren(...keys);
}

/** Shows events and checkpoints, the newest first. */
export function showLists(runs: readonly Run[]): void {
  const named = (run: Run): string => (runs.length > 1 ? `${run.view.name}: ` : '');
  const happenings = runs.flatMap((run) => run.happenings.map((one) => ({ ...one, of: named(run) })));
  const checkpoints = runs.flatMap((run) => run.checkpoints.map((one) => ({ ...one, of: named(run) })));
  list(
    'happenings',
    happenings.sort((a, b) => a.at - b.at).map(({ at, of, message }) => `${clock(at)} ${of}${message}`),
    'Nothing beside the steps.',
  );
  list(
    'checkpoints',
    checkpoints.map(({ step, file, of }) => `${of}step ${count(step)}: ${file}`),
    'None yet.',
  );
}

function list(id: string, lines: readonly string[], none: string): void {
  const shown = lines.slice(-SHOWN).reverse();
  const items = (shown.length === 0 ? [none] : shown).map((text) => withText('li', text));
  element(id).replaceChildren(...items);
}

/** A state as a table shows it. */
export function pill(state: string, text = state): HTMLElement {
  const made = withText('span', text);
  made.className = 'pill';
  made.dataset.state = state;
  return made;
}

/** Gives each cell of a table the heading of its column, which it has beside it on a narrow screen. */
export function labelCells(table: HTMLElement): void {
  const [head, ...rows] = [...table.children];
  const headings = [...(head?.children ?? [])].map(({ textContent }) => textContent ?? '');
  for (const { children } of rows) {
    for (const [i, cell] of [...children].entries()) (cell as HTMLElement).dataset.label = headings[i] ?? '';
  }
}

function row(cells: readonly HTMLElement[]): HTMLElement {
  const made = document.createElement('tr');
  made.append(...cells);
  return made;
}

export function withText(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
