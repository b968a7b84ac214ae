import type { TestPoint } from '../shared/live/feed.ts';
import { type Curve, stepsAround } from '../shared/live/series.ts';
import type { Quantity, ScalarChart } from '../shared/live/step-scalars.ts';
import { count } from '../shared/util/figures.ts';
import { followFinger, NOTHING } from './finger.ts';
import { orDash } from './format.ts';
import type { Run } from './run.ts';
import { bandOf, PER_RUN, seriesOf } from './run-series.ts';
import { colour, runColour } from './theme.ts';
import { roundBelow, roundOnes, roundSteps, WHOLE_STEPS } from './ticks.ts';
import type { Zoom } from './zoom.ts';

export interface ChartOptions extends ScalarChart {
  readonly quantity: Quantity;
  /** The value of a test point, which is drawn as a circle; undefined: there are no circles. */
  readonly test?: ((test: TestPoint) => number | null) | undefined;
  /** The same of the validation samples, drawn as a dot. */
  readonly validation?: ((test: TestPoint) => number | null) | undefined;
  readonly format: (value: number) => string;
  /** Whether the close-up is off at first. */
  readonly isWholeAtFirst?: boolean;
}

const HEIGHT = 280;
/** The ends of an axis: above it, its length would be no number. */
const MAX_SHOWN = 1e300;

/** Charts share only the pointer: if a drag ended in each of them, each would zoom again. */
const SYNC: uPlot.Cursor.Sync = {
  key: 'steps',
  filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' },
};

/** One quantity of all runs over the steps: the mean, shaded from minimum to maximum if a pixel stands for several steps. */
export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #zoom: Zoom;
  readonly #canvas: HTMLElement;
  readonly #readout: HTMLElement;
  #runs: readonly Run[] = [];
  #plot: uPlot | undefined;
  #isClose: boolean;
  #isLogarithmic: boolean;
  /** The most steps that a drawn value stands for. */
  #size = 1;

  constructor(options: ChartOptions, zoom: Zoom) {
    this.#options = options;
    this.#zoom = zoom;
    this.#isClose = options.closeUp !== undefined && options.isWholeAtFirst !== true;
    this.#isLogarithmic = options.isLogarithmic ?? false;
    this.element = document.createElement('figure');
    this.element.className = 'chart';
    const caption = document.createElement('figcaption');
    const heading = document.createElement('h2');
    heading.textContent = options.title;
    this.#readout = document.createElement('output');
    this.#canvas = document.createElement('div');
    this.#canvas.tabIndex = 0;
    this.#canvas.setAttribute('role', 'img');
    this.#canvas.addEventListener('keydown', (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.altKey && zoom.press(event.key)) event.preventDefault();
    });
    caption.append(heading, ...this.#switches(), this.#readout);
    this.element.append(caption, this.#canvas);
    new ResizeObserver(() => this.#fit()).observe(this.#canvas);
  }

  /** Replaces the runs. */
  show(runs: readonly Run[]): void {
    this.#runs = runs;
    this.rebuild();
  }

  /** Draws again, with the new steps. */
  draw(): void {
    if (this.#plot === undefined) return;
    const { from, to } = this.#zoom.view;
    this.#plot.batch(() => {
      this.#plot?.setData(this.#data(), false);
      this.#plot?.setScale('x', { min: from, max: Math.max(to, from + 1) });
    });
    this.#describe();
  }

  /** Draws from scratch, after a change of colours or scales. */
  rebuild(): void {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#plotOptions(), this.#data(), this.#canvas);
    this.draw();
  }

  #switches(): HTMLElement[] {
    const { closeUp, isLogarithmic } = this.#options;
    const made: HTMLElement[] = [];
    if (closeUp !== undefined) {
      made.push(
        toggle(closeUp.label, this.#isClose, (on) => {
          this.#isClose = on;
          this.rebuild();
        }),
      );
    }
    if (isLogarithmic !== undefined) {
      made.push(
        toggle('log scale', this.#isLogarithmic, (on) => {
          this.#isLogarithmic = on;
          this.rebuild();
        }),
      );
    }
    return made;
  }

  #fit(): void {
    const { width, height } = this.#dimensions;
    if (this.#plot === undefined || width === 0) return;
    if (this.#plot.width === width && this.#plot.height === height) return;
    this.#plot.setSize({ width, height });
    this.draw();
  }

  get #dimensions(): { width: number; height: number } {
    return { width: this.#canvas.clientWidth, height: Math.round(HEIGHT * (this.#options.height ?? 1)) };
  }

  #data(): uPlot.AlignedData {
    const { quantity, test, validation } = this.#options;
    const { from, to } = this.#zoom.view;
    const points = Math.max(100, this.#canvas.clientWidth);
    this.#size = 1;
    const tables = this.#runs.flatMap((run): uPlot.AlignedData[] => {
      const curve = run.series.curve(quantity, { from, to, points, isLogarithmic: this.#zoom.isLogarithmic });
      this.#size = Math.max(this.#size, curve.size);
      const tests = test === undefined ? [] : run.tests;
      const values = [test, validation].map((read) => tests.map((point) => read?.(point) ?? null));
      return [curveTable(curve), [tests.map(({ step }) => step), ...values]];
    });
    return tables.length === 0 ? [[]] : uPlot.join(tables);
  }

  #plotOptions(): uPlot.Options {
    const { format } = this.#options;
    const { isLogarithmic } = this.#zoom;
    const axis = { stroke: () => colour('muted'), font: '12px system-ui, sans-serif' };
    const grid = { stroke: () => colour('grid'), width: 1 };
    return {
      ...this.#dimensions,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, sync: SYNC, points: { size: 7 } },
      scales: {
        x: { time: false, distr: isLogarithmic ? 3 : 1, range: (_plot, min, max) => [min, max] },
        y: { distr: this.#isLogarithmic ? 3 : 1, range: (_plot, min, max) => this.#range(min, max) },
      },
      axes: [
        {
          ...axis,
          grid,
          ticks: grid,
          label: 'step',
          labelFont: axis.font,
          labelSize: 18,
          labelGap: 0,
          size: 30,
          space: 60,
          incrs: WHOLE_STEPS,
          ...(isLogarithmic && { splits: (_plot, _axis, from, to, increment) => roundSteps(from, to, increment) }),
          values: (_plot, steps) => steps.map((step) => count(step)),
        },
        {
          ...axis,
          grid,
          ticks: grid,
          size: 62,
          values: (_plot, values) => {
            const shown = this.#isLogarithmic ? roundOnes(values) : values;
            return values.map((value) => (shown.includes(value) ? format(value) : ''));
          },
        },
      ],
      series: [{}, ...this.#runs.flatMap((_, index) => seriesOf(index))],
      bands: this.#runs.map((_, index) => bandOf(index)),
      hooks: {
        setSelect: [(plot) => this.#select(plot)],
        setCursor: [() => this.#describe()],
        ready: [
          (plot) => {
            plot.over.addEventListener('dblclick', () => this.#zoom.whole());
            followFinger(plot);
          },
        ],
      },
    };
  }

  #range(least: number | null, most: number | null): [number, number] {
    if (least === null || most === null) return this.#isLogarithmic ? [0.001, 10] : [0, 1];
    const [min, max] = [shown(least), shown(most)];
    if (this.#isLogarithmic) return [roundBelow(Math.max(1e-9, min / 1.1)), Math.max(1e-8, max * 1.3)];
    const closest = this.#isClose ? this.#options.closeUp?.least : undefined;
    // A run below the close-up is shown whole.
    const low = closest !== undefined && max > closest ? Math.max(min, closest) : min;
    const margin = Math.max((max - low) * 0.06, Math.abs(max) * 1e-3, 1e-12);
    return [min >= 0 ? Math.max(0, low - margin) : low - margin, max + margin];
  }

  #select(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
    plot.setSelect(NOTHING, false);
    this.#zoom.choose(from, to);
  }

  /** Describes the values under the cursor, or how to read the chart. */
  #describe(): void {
    const { format, title } = this.#options;
    const at = this.#plot?.cursor.idx;
    const step = at === null || at === undefined ? undefined : this.#plot?.data[0][at];
    this.#readout.replaceChildren(...(step === undefined ? this.#rule() : this.#values(at as number, step)));
    const means = this.#runs.map((run) => run.recent(this.#options.quantity));
    const last = means.map((mean) => (mean === undefined ? 'none yet' : orDash(mean, format))).join(', ');
    this.#canvas.setAttribute('aria-label', `${title} over the steps; mean of the last 100: ${last}.`);
  }

  #rule(): Node[] {
    const isEmpty = this.#runs.every(({ lastStep }) => lastStep === 0);
    const mean = this.#zoom.isLogarithmic ? 'mean of up to' : 'mean of';
    const text = this.#size === 1 ? 'every step' : `${mean} ${count(this.#size)} steps, shaded from least to most`;
    const hasTests = this.#options.test !== undefined && this.#runs.some(({ tests }) => tests.length > 0);
    const hasDots =
      this.#options.validation !== undefined && this.#runs.some(({ tests }) => tests.some((point) => point.validation));
    const marks = `${hasTests ? '; circles: test set' : ''}${hasDots ? ', dots: validation samples' : ''}`;
    return [document.createTextNode(isEmpty ? 'no steps' : `${text}${marks}`)];
  }

  #values(at: number, middle: number): Node[] {
    const { format } = this.#options;
    const { first, last } = stepsAround(middle);
    const end = Math.min(last, Math.max(...this.#runs.map(({ lastStep }) => lastStep)));
    const steps = end > first ? `mean of steps ${count(first)} to ${count(end)}` : `step ${count(first)}`;
    const shown: Node[] = [document.createTextNode(steps)];
    for (const index of this.#runs.keys()) {
      const value = (series: number): number | null | undefined => this.#plot?.data[1 + PER_RUN * index + series]?.[at];
      const [mean, min, max, test, validation] = [value(0), value(1), value(2), value(3), value(4)];
      const words: string[] = [];
      if (mean !== undefined) words.push(orDash(mean, format));
      if (typeof min === 'number' && typeof max === 'number' && min !== max)
        words.push(`(${format(min)} to ${format(max)})`);
      if (typeof test === 'number') words.push(`test ${format(test)}`);
      if (typeof validation === 'number') words.push(`validation ${format(validation)}`);
      if (words.length === 0) continue;
      const entry = document.createElement('span');
      entry.textContent = words.join(' ');
      entry.style.color = runColour(index);
      shown.push(document.createTextNode(' · '), entry);
    }
    return shown;
  }
}

function shown(end: number): number {
  return Math.max(-MAX_SHOWN, Math.min(MAX_SHOWN, end));
}

function curveTable({ steps, mean, min, max }: Curve): uPlot.AlignedData {
  return [steps, mean, min, max];
}

export function toggle(label: string, checked: boolean, onChange: (on: boolean) => void): HTMLLabelElement {
  const element = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.checked = checked;
  box.addEventListener('change', () => onChange(box.checked));
  element.append(box, ` ${label}`);
  return element;
}
