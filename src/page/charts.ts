import { Chart, type ChartOptions, toggle } from './chart.ts';
import type { Run } from './run.ts';
import { Zoom } from './zoom.ts';

/** If one run is longer than another by more than this factor, a linear axis would show the short one as a line at its edge. */
const MAX_LENGTH_RATIO = 10;

/** Charts of the same steps, with the switch of their axis above them. */
export class Charts {
  readonly #zoom: Zoom;
  readonly #charts: readonly Chart[];
  readonly #axis: HTMLLabelElement;
  #runs: readonly Run[] = [];

  /** @param onZoom must call `draw` */
  constructor(parent: HTMLElement, options: readonly ChartOptions[], onZoom: () => void) {
    this.#zoom = new Zoom(onZoom);
    this.#charts = options.map((each) => new Chart(each, this.#zoom));
    this.#axis = toggle('log steps', false, (on) => {
      this.#zoom.isLogarithmic = on;
      this.rebuild();
    });
    this.#axis.className = 'axis';
    parent.append(...this.#charts.map(({ element }) => element));
    parent.before(this.#axis);
  }

  /** Replaces the runs. */
  show(runs: readonly Run[]): void {
    this.#runs = runs;
    this.#findLast();
    const lengths = runs.map(({ lastStep }) => lastStep).filter((steps) => steps > 0);
    if (Math.max(...lengths) > MAX_LENGTH_RATIO * Math.min(...lengths)) {
      this.#zoom.isLogarithmic = true;
      (this.#axis.control as HTMLInputElement).checked = true;
    }
    for (const chart of this.#charts) chart.show(runs);
  }

  /** Draws again, with the new steps. */
  draw(): void {
    this.#findLast();
    for (const chart of this.#charts) chart.draw();
  }

  /** Draws from scratch, after a change of colours or scales. */
  rebuild(): void {
    for (const chart of this.#charts) chart.rebuild();
  }

  #findLast(): void {
    this.#zoom.last = Math.max(1, ...this.#runs.map(({ lastStep }) => lastStep));
  }
}
