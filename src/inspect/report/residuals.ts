import { count } from '../../shared/util/figures.ts';
import type { Column, TestSet, ValueResults } from './data.ts';
import { type Html, html } from './html.ts';
import { note, panel, sideBySide } from './parts.ts';
import { numberText } from './test-set.ts';
import { figure } from './text.ts';

/** SVG units of a chart's side without its margins. */
const SIDE = 200;
const [LEFT, TOP, BELOW] = [52, 10, 36];
const [WIDTH, HEIGHT] = [LEFT + SIDE + 12, TOP + SIDE + BELOW];
/** Dots of a chart, at most: more samples are thinned out. */
const MAX_DOTS = 1500;
const BARS = 31;

/** A snapshot of a model whose outputs are numbers. */
export interface Told extends Column {
  readonly results: ValueResults;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

/** The same for all snapshots. */
interface Scale {
  /** Of truths and predictions. */
  readonly range: Range;
  /** The largest residual's magnitude. */
  readonly most: number;
  /** What is written at the ends of both. */
  readonly ends: Ends;
  readonly off: string;
}

type Ends = readonly [from: string, to: string];

/** Of each of the first outputs, its predictions against the truth, and its residuals. */
export function residualPanels(told: readonly Told[], test: TestSet): Html[] {
  const { classNames, targets } = test;
  const outputs = classNames.length;
  const charted = told[0]?.results.errors.predictions.length ?? 0;
  return Array.from({ length: charted }, (_, output) => {
    const truths = Float32Array.from(
      { length: targets.length / outputs },
      (_, i) => targets[i * outputs + output] as number,
    );
    const predictions = told.map(({ results }) => results.errors.predictions[output] as Float32Array);
    const range = rangeOf([truths, ...predictions]);
    const residuals = predictions.map((own) => own.map((value, i) => value - (truths[i] as number)));
    const { min, max } = rangeOf(residuals);
    const most = Math.max(-min, max);
    const name = classNames[output] as string;
    const scale: Scale = {
      range,
      most,
      ends: [numberText(test, range.min), numberText(test, range.max)],
      off: figure(most * (test.scaling?.deviation ?? 1)),
    };
    return panel(
      `${name}: predictions and residuals`,
      sideBySide(told, ({ title }, i) => {
        const own = `${name} after ${title}`;
        const dots = scatter(truths, predictions[i] as Float32Array, scale, own);
        return html`<div class="pair">${dots}${histogram(residuals[i] as Float32Array, scale, own)}</div>`;
      }),
      note(
        `One scale for all. On the line, a prediction is the truth; a residual is the prediction minus the truth.`,
        truths.length > MAX_DOTS
          ? ` ${count(dotsOf(truths.length).length)} of the ${count(truths.length)} samples have a dot.`
          : undefined,
        output === charted - 1 && charted < outputs
          ? ` The first ${charted} of ${outputs} outputs are drawn.`
          : undefined,
      ),
    );
  });
}

function rangeOf(arrays: readonly Float32Array[]): Range {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const values of arrays) {
    for (const value of values) {
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
  }
  return min < max ? { min, max } : { min: min - 1, max: max + 1 };
}

/** The places of the samples that have dots, evenly among all. */
function dotsOf(samples: number): number[] {
  const dots = Math.min(samples, MAX_DOTS);
  return Array.from({ length: dots }, (_, i) => Math.floor((i * samples) / dots));
}

function scatter(truths: Float32Array, predictions: Float32Array, { range, ends }: Scale, name: string): Html {
  const part = (value: number): number => (value - range.min) / (range.max - range.min);
  const dots = dotsOf(truths.length).map((i) => {
    const [x, y] = [part(truths[i] as number), 1 - part(predictions[i] as number)];
    return `M${(LEFT + SIDE * x).toFixed(1)} ${(TOP + SIDE * y).toFixed(1)}h0`;
  });
  const content = html`<path class="equal" d="M${LEFT} ${TOP + SIDE}L${LEFT + SIDE} ${TOP}"/><path class="dots" d="${dots.join('')}"/>`;
  return chart(content, {
    x: ['truth', ends],
    y: ['prediction', ends],
    alt: `Predictions of ${name} against the truth`,
  });
}

function histogram(residuals: Float32Array, { most, off }: Scale, name: string): Html {
  const counts = new Uint32Array(BARS);
  for (const residual of residuals) {
    const bar = Math.min(BARS - 1, Math.floor(((residual / most + 1) / 2) * BARS));
    counts[bar] = (counts[bar] as number) + 1;
  }
  const highest = Math.max(...counts);
  const width = SIDE / BARS;
  const bars = Array.from(counts, (samples, i) => {
    const height = (SIDE * samples) / highest;
    return html`<rect class="residual" x="${(LEFT + i * width + 0.5).toFixed(1)}" y="${(TOP + SIDE - height).toFixed(1)}" width="${(width - 1).toFixed(1)}" height="${height.toFixed(1)}"/>`;
  });
  const content = html`${bars}<path class="equal" d="M${LEFT + SIDE / 2} ${TOP}v${SIDE}"/>`;
  return chart(content, {
    x: ['residual', [`\u2212${off}`, off]],
    y: ['samples', ['0', count(highest)]],
    alt: `Histogram of the residuals of ${name}`,
  });
}

interface ChartOptions {
  readonly x: readonly [name: string, ends: Ends];
  readonly y: readonly [name: string, ends: Ends];
  readonly alt: string;
}

function chart(content: Html, { x: [x, xEnds], y: [y, yEnds], alt }: ChartOptions): Html {
  const [right, bottom] = [LEFT + SIDE, TOP + SIDE];
  return html`<svg class="residuals" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img" aria-label="${alt}"><path class="axes" d="M${LEFT} ${TOP}v${SIDE}h${SIDE}"/>${content}
<text class="end" x="${LEFT - 6}" y="${bottom}">${yEnds[0]}</text><text class="end" x="${LEFT - 6}" y="${TOP + 8}">${yEnds[1]}</text><text transform="translate(12 ${TOP + SIDE / 2}) rotate(-90)">${y}</text>
<text class="start" x="${LEFT}" y="${bottom + 16}">${xEnds[0]}</text><text class="end" x="${right}" y="${bottom + 16}">${xEnds[1]}</text><text x="${LEFT + SIDE / 2}" y="${bottom + 28}">${x}</text></svg>`;
}
