import { Chart, type ChartOptions, toggle } from './chart.ts';
import type { Run } from './run.ts';
import { Zoom } from './zoom.ts';

/** Where one run is longer than another by more than this factor, the short one is a line at the edge of a linear axis. */
const COMPARABLE = 10;

/** Charts that show the same steps, with the switch of their axis above them. */
export class Charts {
  readonly #zoom: Zoom;
  readonly #charts: readonly Chart[];
  readonly #axis: HTMLLabelElement;
  #runs: readonly Run[] = [];

  /** @param onZoom is to call `draw` */
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

  /** Takes other runs; what was drawn is gone. */
  show(runs: readonly Run[]): void {
    this.#runs = runs;
    this.#findLast();
    const lengths = runs.map(({ lastStep }) => lastStep).filter((steps) => steps > 0);
    if (Math.max(...lengths) > COMPARABLE * Math.min(...lengths)) {
      this.#zoom.isLogarithmic = true;
      (this.#axis.control as HTMLInputElement).checked = true;
    }
    for (const chart of this.#charts) chart.show(runs);
  }

  /** Draws anew, with what has come since. */
  draw(): void {
    this.#findLast();
    for (const chart of this.#charts) chart.draw();
  }

  /** Where colours or scales have changed. */
  rebuild(): void {
    for (const chart of this.#charts) chart.rebuild();
  }

  #findLast(): void {
    this.#zoom.last = Math.max(1, ...this.#runs.map(({ lastStep }) => lastStep));
  }
}
