import { compareOptions, type OptionRow } from '../shared/live/run-list.ts';
import { element, show, withText } from './panels.ts';
import type { Run } from './run.ts';
import { swatch } from './theme.ts';

const DIGEST = /^[0-9a-f]{64}$/;
/** Options of which each run has its own, and that say nothing of it. */
const OWN: ReadonlySet<string> = new Set(
  'out metricsPort metricsHost metricsTargets logLevel logFormat logFile'.split(' '),
);
/** Digits of a digest that are shown. */
const DIGITS = 12;

/** Shows the options in which runs differ; nothing of fewer than two. */
export function showOptions(runs: readonly Run[]): void {
  element('options').hidden = runs.length < 2;
  if (runs.length < 2) return;
  const { different, same } = compareOptions(runs.map(optionsOf));
  const head = document.createElement('tr');
  head.append(withText('th', 'Option'), ...runs.map(headingOf));
  const rows = different.map(({ name, values }) => {
    const row = document.createElement('tr');
    row.append(withText('th', name), ...values.map((value) => valueCell('td', value)));
    return row;
  });
  element('options-table').replaceChildren(head, ...rows);
  element('options-none').hidden = different.length > 0;
  show('options-number', `${same.length} that all of them have in common`);
  element('options-same').replaceChildren(...same.flatMap(termOf));
}

/** All that decides what a run computes, and what came out. */
function optionsOf({ view: { config, digests }, weightsSha256 }: Run): Record<string, unknown> {
  const options = Object.entries(config).filter(([key]) => !OWN.has(key));
  const named = Object.entries(digests).map(([key, digest]) => [`${key}, SHA-256`, digest]);
  const weights = weightsSha256 === undefined ? {} : { 'final weights, SHA-256': weightsSha256 };
  return { ...Object.fromEntries([...options, ...named]), ...weights };
}

function headingOf({ look, view }: Run): HTMLElement {
  const heading = document.createElement('th');
  heading.append(swatch(look), ` ${view.name}`);
  return heading;
}

function termOf({ name, values }: OptionRow): HTMLElement[] {
  return [withText('dt', name), valueCell('dd', values[0])];
}

function valueCell(tag: string, value = '–'): HTMLElement {
  const cell = withText(tag, DIGEST.test(value) ? `${value.slice(0, DIGITS)}…` : value);
  cell.title = value;
  return cell;
}
