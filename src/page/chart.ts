import type { TestPoint } from '../shared/live/feed.ts';
import type { CurveQuantity } from '../shared/live/series.ts';
import type { ScalarChart } from '../shared/live/step-scalars.ts';
import { count } from '../shared/util/figures.ts';
import { type Drawn, drawnOf, tableOf } from './drawn.ts';
import { followFinger, NOTHING } from './finger.ts';
import { orDash } from './format.ts';
import { readingNodes } from './readout.ts';
import type { Run } from './run.ts';
import { bandsOf, isMean, MAX_DETAILED, seriesOf, strokeOf } from './run-series.ts';
import { colour } from './theme.ts';
import { gridLines, roundBelow, roundOnes } from './ticks.ts';
import { AXIS_TEXTS, type AxisName, axisOptions, hasAxis } from './x-axis.ts';
import type { Zoom } from './zoom.ts';

export interface ChartOptions extends ScalarChart {
  readonly quantity: CurveQuantity;
  /** Which runs have it; the chart is shown if one of them is (default: all). */
  readonly isOf?: ((run: Run) => boolean) | undefined;
  /** The value of a test point, which is drawn as a circle; undefined: there are no circles. */
  readonly test?: ((test: TestPoint) => number | null) | undefined;
  /** The same of the validation samples, drawn as a dot. */
  readonly validation?: ((test: TestPoint) => number | null) | undefined;
  readonly format: (value: number) => string;
  /** Whether the close-up is off at first. */
  readonly isWholeAtFirst?: boolean;
}

/** What all charts of a page have in common. */
export interface ChartSettings {
  readonly zoom: Zoom;
  axis: AxisName;
  /** The weight of the average before each value, 0 (none) up to 1. */
  smoothing: number;
}

const HEIGHT = 280;
/** The ends of an axis: above it, its length would be no number. */
const MAX_SHOWN = 1e300;

/** Charts share only the pointer: if a drag ended in each of them, each would zoom again. */
const SYNC: uPlot.Cursor.Sync = {
  key: 'steps',
  filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' },
};
/** Pixels from the pointer within which a curve has a dot: one that has ended has none beyond. */
const NEAR = 40;
const CURSOR: uPlot.Cursor = {
  y: false,
  drag: { x: true, y: false, setScale: false },
  sync: SYNC,
  points: {
    size: (_plot, series) => (isMean(series) ? 7 : 0),
    fill: (plot, series) => strokeOf(plot, series),
  },
  hover: { prox: NEAR },
};

/** One quantity of all runs over the steps or the time: the mean, shaded from minimum to maximum if a pixel stands for several steps. */
export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #settings: ChartSettings;
  readonly #canvas: HTMLElement;
  readonly #readout: HTMLElement;
  #runs: readonly Run[] = [];
  #drawn: readonly Drawn[] = [];
  #plot: uPlot | undefined;
  #isClose: boolean;
  #isLogarithmic: boolean;
  /** The most steps that a drawn value stands for. */
  #size = 1;

  constructor(options: ChartOptions, settings: ChartSettings) {
    this.#options = options;
    this.#settings = settings;
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
      if (!event.ctrlKey && !event.metaKey && !event.altKey && settings.zoom.press(event.key)) event.preventDefault();
    });
    caption.append(heading, ...this.#switches(), this.#readout);
    this.element.append(caption, this.#canvas);
    new ResizeObserver(() => this.#fit()).observe(this.#canvas);
  }

  /** Replaces the runs. */
  show(runs: readonly Run[]): void {
    const looks = (of: readonly Run[]): string => of.map(({ look }) => look).join();
    const isSame = this.#plot !== undefined && looks(runs) === looks(this.#runs);
    this.#runs = runs;
    if (isSame) this.draw();
    else this.rebuild();
  }

  /** Draws again, with the new steps. */
  draw(): void {
    this.#drawInto((plot) => plot.setData(this.#data(), false));
  }

  /** Draws from scratch, after a change of colours or scales. */
  rebuild(): void {
    const { left = -1, top = -1 } = this.#plot?.cursor ?? {};
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#plotOptions(), this.#data(), this.#canvas);
    this.#drawInto();
    if (left >= 0) this.#plot.setCursor({ left, top });
  }

  /** @param change what is done to the plot before the range in view is set */
  #drawInto(change: (plot: uPlot) => void = () => {}): void {
    const plot = this.#plot;
    if (plot === undefined) return;
    const { isOf = () => true } = this.#options;
    this.element.hidden = this.#runs.length > 0 && !this.#runs.some((run) => isOf(run));
    if (this.element.hidden) return;
    const { from, to } = this.#settings.zoom.view;
    const least = this.#settings.axis === 'step' ? 1 : 1e-3;
    plot.batch(() => {
      change(plot);
      plot.setScale('x', { min: from, max: Math.max(to, from + least) });
    });
    this.#describe();
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
    const points = Math.max(100, this.#canvas.clientWidth * Math.min(1, MAX_DETAILED / this.#runs.length));
    this.#drawn = this.#runs.map((run) => drawnOf(run, { ...this.#options, ...this.#settings, points }));
    this.#size = Math.max(1, ...this.#drawn.map(({ curve }) => curve.size));
    return tableOf(this.#drawn);
  }

  #plotOptions(): uPlot.Options {
    const { format } = this.#options;
    const { isLogarithmic } = this.#settings.zoom;
    const isSmoothed = (): boolean => this.#settings.smoothing > 0;
    const axis = { stroke: () => colour('muted'), font: '12px system-ui, sans-serif' };
    const grid = { stroke: () => colour('grid'), width: 1 };
    const lines = {
      ...grid,
      ...(this.#isLogarithmic && { filter: (_: uPlot, values: number[]) => gridLines(values) }),
    };
    return {
      ...this.#dimensions,
      padding: [8, 24, 0, 0],
      legend: { show: false },
      cursor: CURSOR,
      scales: {
        x: { time: false, distr: isLogarithmic ? 3 : 1, range: (_plot, min, max) => [min, max] },
        y: { distr: this.#isLogarithmic ? 3 : 1, range: (_plot, min, max) => this.#range(min, max) },
      },
      axes: [
        {
          ...axis,
          grid,
          ticks: grid,
          labelFont: axis.font,
          labelSize: 18,
          labelGap: 0,
          size: 30,
          ...axisOptions(this.#settings.axis, isLogarithmic),
        },
        {
          ...axis,
          grid: lines,
          ticks: lines,
          size: 62,
          values: (_plot, values) => {
            const shown = this.#isLogarithmic ? roundOnes(values) : values;
            return values.map((value) => (shown.includes(value) ? format(value) : ''));
          },
        },
      ],
      series: [{}, ...this.#runs.flatMap((run) => seriesOf(run, isSmoothed))],
      bands: bandsOf(this.#runs),
      hooks: {
        setSelect: [(plot) => this.#select(plot)],
        setCursor: [() => this.#describe()],
        ready: [
          (plot) => {
            plot.over.addEventListener('dblclick', () => this.#settings.zoom.whole());
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
    this.#settings.zoom.choose(from, to);
  }

  /** Describes the values under the cursor, or how to read the chart. */
  #describe(): void {
    const { format, title } = this.#options;
    const { axis } = this.#settings;
    const at = this.#plot?.cursor.idx;
    const place = at === null || at === undefined ? undefined : this.#plot?.data[0][at];
    // Room for all of the values, so that the chart stays where it is.
    const isLong = this.#settings.smoothing > 0 || axis !== 'step';
    this.#readout.className = this.#runs.length > 1 ? 'several' : isLong ? 'long' : '';
    // The box of values of several runs is on the side that has more room.
    const { top, bottom } = this.element.getBoundingClientRect();
    this.#readout.dataset.side = top > innerHeight - bottom ? 'above' : 'below';
    const nodes = place === undefined ? this.#rule() : readingNodes(this.#drawn, { place, axis, format });
    this.#readout.replaceChildren(...nodes);
    const means = this.#runs.map((run) => run.recent(this.#options.quantity));
    const last = means.map((mean) => (mean === undefined ? 'none yet' : orDash(mean, format))).join(', ');
    this.#canvas.setAttribute('aria-label', `${title} over ${AXIS_TEXTS[axis]}; mean of the last 100: ${last}.`);
  }

  #rule(): Node[] {
    const isEmpty = this.#runs.every(({ lastStep }) => lastStep === 0);
    const mean = this.#settings.zoom.isLogarithmic ? 'mean of up to' : 'mean of';
    const shade = this.#runs.length > MAX_DETAILED ? '' : ', shaded from least to most';
    const every = this.#runs.some(({ series }) => series.isThin) ? 'every step that the log has' : 'every step';
    const text = this.#size === 1 ? every : `${mean} ${count(this.#size)} steps${shade}`;
    const hasTests = this.#options.test !== undefined && this.#runs.some(({ tests }) => tests.length > 0);
    const hasDots =
      this.#options.validation !== undefined && this.#runs.some(({ tests }) => tests.some((point) => point.validation));
    const marks = `${hasTests ? '; circles: test set' : ''}${hasDots ? ', dots: validation samples' : ''}`;
    const isWithout = this.#runs.length > 0 && this.#runs.every((run) => !hasAxis(run, this.#settings.axis));
    if (isEmpty || isWithout) return [document.createTextNode(isEmpty ? 'no steps' : 'the log has no times')];
    return [document.createTextNode(`${text}${marks}`)];
  }
}

function shown(end: number): number {
  return Math.max(-MAX_SHOWN, Math.min(MAX_SHOWN, end));
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
