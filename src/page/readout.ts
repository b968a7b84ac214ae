import type { Finite } from '../shared/live/series.ts';
import { count } from '../shared/util/figures.ts';
import { type Drawn, type Reading, readingAt } from './drawn.ts';
import { orDash } from './format.ts';
import { swatch } from './theme.ts';
import { type AxisName, placeText } from './x-axis.ts';

/** The most runs whose values are shown at once. */
const MAX_SHOWN = 24;

/** The values of all runs at a place, as the line under a chart's title shows them; of several runs in a box over the chart. */
export function readingNodes(
  drawn: readonly Drawn[],
  {
    place,
    axis,
    format,
  }: { readonly place: number; readonly axis: AxisName; readonly format: (value: number) => string },
): Node[] {
  const found = drawn.flatMap((each) => {
    const reading = readingAt(each, place, axis);
    return reading === undefined ? [] : [{ run: each.run, reading }];
  });
  const heading =
    axis === 'step'
      ? stepsText(
          found.map(({ reading }) => reading),
          place,
        )
      : placeText(place, axis);
  const several = drawn.length > 1;
  const entries = found.slice(0, MAX_SHOWN).flatMap(({ run, reading }) => {
    const entry = document.createElement('span');
    const name = document.createElement('b');
    name.textContent = run.view.name;
    const steps = axis === 'step' ? '' : `${stepsText([reading], place)}: `;
    entry.append(...(several ? [swatch(run.look), name, ' '] : []), steps, ...valuesNodes(reading, format));
    return [separator(), entry];
  });
  const values = document.createElement('span');
  values.className = 'values';
  values.append(...entries);
  if (found.length > MAX_SHOWN) values.append(separator(), `and ${found.length - MAX_SHOWN} more`);
  return [document.createTextNode(heading), ...(entries.length > 0 ? [values] : [])];
}

/** Between values on one line; in a box each has its own. */
function separator(): HTMLElement {
  const made = document.createElement('i');
  made.textContent = ' · ';
  return made;
}

function stepsText(readings: readonly Reading[], place: number): string {
  const first = Math.min(...readings.map((reading) => reading.first));
  const last = Math.max(...readings.map((reading) => reading.last));
  if (readings.length === 0) return `step ${count(place)}`;
  return last > first ? `mean of steps ${count(first)} to ${count(last)}` : `step ${count(first)}`;
}

function valuesNodes(
  { mean, min, max, smoothed, tested, first, last }: Reading,
  format: (value: number) => string,
): (Node | string)[] {
  const range = document.createElement('span');
  range.className = 'range';
  if (min !== null && max !== null && min !== max) range.append(` (${format(min)} to ${format(max)})`);
  const words: string[] = [];
  if (typeof smoothed === 'number') words.push(`smoothed ${format(smoothed)}`);
  const figure = (name: string, value: Finite | undefined): string[] =>
    typeof value === 'number' ? [`${name} ${format(value)}`] : [];
  const evaluated = [...figure('test', tested?.test), ...figure('validation', tested?.validation)];
  words.push(...evaluated);
  if (tested !== undefined && evaluated.length > 0 && (tested.step < first || tested.step > last)) {
    words.push(`at ${count(tested.step)}`);
  }
  return [orDash(mean, format), range, ...words.map((word) => ` ${word}`)];
}
