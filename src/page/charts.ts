import type { OwnQuantity } from '../shared/live/own-scalars.ts';
import { Chart, type ChartOptions, type ChartSettings, toggle } from './chart.ts';
import type { Run } from './run.ts';
import { ownChartOf } from './scalar-charts.ts';
import { AXES, AXIS_TEXTS, type AxisName, hasAxis, LEAST, wholeOf } from './x-axis.ts';
import { Zoom } from './zoom.ts';

/** If one run is longer than another by more than this factor, a linear axis would show the short one as a line at its edge. */
const MAX_LENGTH_RATIO = 10;
const MAX_SMOOTHING = 0.99;

/** Charts over the same axis, with their common switches above them. */
export class Charts {
  readonly #settings: ChartSettings;
  readonly #charts: Chart[];
  readonly #parent: HTMLElement;
  /** The quantities of the callers' own that have a chart. */
  readonly #own = new Set<OwnQuantity>();
  readonly #axis: HTMLSelectElement;
  readonly #logarithmic: HTMLLabelElement;
  #runs: readonly Run[] = [];
  /** Whether the reader has chosen between the linear and the logarithmic axis. */
  #isScaleChosen = false;

  /** @param onZoom must call `draw` */
  constructor(parent: HTMLElement, options: readonly ChartOptions[], onZoom: () => void) {
    this.#parent = parent;
    this.#settings = { zoom: new Zoom(onZoom), axis: 'step', smoothing: 0 };
    this.#charts = options.map((each) => new Chart(each, this.#settings));
    this.#axis = this.#axisChoice();
    this.#logarithmic = toggle('log steps', false, (on) => {
      this.#isScaleChosen = true;
      this.#setLogarithmic(on);
      this.rebuild();
    });
    const switches = document.createElement('div');
    switches.className = 'switches';
    switches.append(this.#smoothing(), labelled('over', this.#axis), this.#logarithmic);
    parent.append(...this.#charts.map(({ element }) => element));
    parent.before(switches);
  }

  /** Replaces the runs. */
  show(runs: readonly Run[]): void {
    this.#runs = runs;
    const lengths = runs.map(({ lastStep }) => lastStep).filter((steps) => steps > 0);
    const isUneven = Math.max(...lengths) > MAX_LENGTH_RATIO * Math.min(...lengths);
    const isChanged =
      isUneven && !this.#isScaleChosen && this.#settings.axis === 'step' && !this.#settings.zoom.isLogarithmic;
    if (isChanged) this.#setLogarithmic(true);
    // A report has no times.
    (this.#axis.parentElement as HTMLElement).hidden = runs.length > 0 && !runs.some((run) => hasAxis(run, 'elapsed'));
    this.#addOwn();
    this.#findWhole();
    for (const chart of this.#charts) chart.show(runs);
    if (isChanged) this.rebuild();
  }

  /** Draws again, with the new steps. */
  draw(): void {
    this.#addOwn();
    this.#findWhole();
    for (const chart of this.#charts) chart.draw();
  }

  /** Draws from scratch, after a change of colours or scales. */
  rebuild(): void {
    this.#findWhole();
    for (const chart of this.#charts) chart.rebuild();
  }

  /** Adds the charts of what the steps so far have of their callers' own. */
  #addOwn(): void {
    const missing = new Set(this.#runs.flatMap(({ series }) => series.own).filter((each) => !this.#own.has(each)));
    for (const quantity of missing) {
      const chart = new Chart(ownChartOf(quantity), this.#settings);
      this.#own.add(quantity);
      this.#charts.push(chart);
      this.#parent.append(chart.element);
      chart.show(this.#runs);
    }
  }

  #axisChoice(): HTMLSelectElement {
    const choice = document.createElement('select');
    choice.append(...AXES.map((name) => new Option(AXIS_TEXTS[name], name)));
    choice.addEventListener('change', () => {
      this.#settings.axis = choice.value as AxisName;
      const isStep = this.#settings.axis === 'step';
      this.#logarithmic.hidden = !isStep;
      this.#settings.zoom.isLogarithmic = isStep && (this.#logarithmic.control as HTMLInputElement).checked;
      this.#findWhole();
      // The range in view is one of the other axis. This draws.
      this.#settings.zoom.whole();
      this.rebuild();
    });
    return choice;
  }

  #smoothing(): HTMLLabelElement {
    const slider = document.createElement('input');
    Object.assign(slider, { type: 'range', min: '0', max: String(MAX_SMOOTHING), step: '0.01', value: '0' });
    const shown = document.createElement('output');
    shown.textContent = 'off';
    slider.addEventListener('input', () => {
      this.#settings.smoothing = slider.valueAsNumber;
      shown.textContent = slider.valueAsNumber === 0 ? 'off' : slider.valueAsNumber.toFixed(2);
      this.draw();
    });
    const label = labelled('smoothing', slider);
    label.append(shown);
    return label;
  }

  #setLogarithmic(on: boolean): void {
    this.#settings.zoom.isLogarithmic = on;
    (this.#logarithmic.control as HTMLInputElement).checked = on;
  }

  #findWhole(): void {
    const { zoom, axis } = this.#settings;
    zoom.least = LEAST[axis];
    zoom.all = wholeOf(this.#runs, axis);
  }
}

function labelled(text: string, control: HTMLElement): HTMLLabelElement {
  const label = document.createElement('label');
  label.append(`${text} `, control);
  return label;
}
