import { percent } from '../../../shared/util/figures.ts';
import type { OutputTrace } from '../../activations/inspector.ts';
import { short } from './picture.ts';

interface Row {
  readonly row: HTMLTableRowElement;
  readonly name: HTMLTableCellElement;
  readonly bar: HTMLProgressElement;
  readonly text: HTMLTableCellElement;
}

/** Rows at most: of more classes, the likeliest. */
const MAX_ROWS = 12;

/** What the network sees: the class and the probability of each, the labels, or the numbers. */
export class PredictionPanel {
  readonly #figure: HTMLElement;
  readonly #names: readonly string[];
  readonly #rows: readonly Row[];

  /** @param names of the classes, or of the outputs */
  constructor(figure: HTMLElement, table: HTMLTableElement, names: readonly string[]) {
    this.#figure = figure;
    this.#names = names;
    this.#rows = names.slice(0, MAX_ROWS).map(() => {
      const row = table.insertRow();
      const name = document.createElement('th');
      name.scope = 'row';
      const bar = document.createElement('progress');
      bar.max = 1;
      row.append(name);
      row.insertCell().append(bar);
      return { row, name, bar, text: row.insertCell() };
    });
    this.clear();
  }

  show(trace: OutputTrace): void {
    const { prediction, probabilities, outputs, ranking } = trace;
    const isSaid = (k: number): boolean =>
      probabilities !== undefined && (prediction === undefined ? (outputs[k] as number) > 0 : k === prediction);
    const said = this.#names.filter((_, k) => isSaid(k));
    this.#print(
      probabilities === undefined ? [...outputs.subarray(0, 3)].map(short).join('  ') : said.join(', ') || '–',
    );
    for (const [i, row] of this.#rows.entries()) {
      const k = this.#names.length > MAX_ROWS ? (ranking[i] as number) : i;
      const probability = probabilities?.[k];
      row.bar.value = probability ?? 0;
      row.bar.hidden = probability === undefined;
      row.text.textContent = probability === undefined ? short(outputs[k] as number) : percent(probability, 1);
      row.row.toggleAttribute('data-best', isSaid(k));
      this.#name(row, k);
    }
  }

  clear(): void {
    this.#print('–');
    for (const [i, row] of this.#rows.entries()) {
      row.bar.value = 0;
      row.text.textContent = '';
      row.row.removeAttribute('data-best');
      this.#name(row, i);
    }
  }

  #name({ name, bar }: Row, k: number): void {
    const text = this.#names[k] as string;
    if (name.textContent === text) return;
    name.textContent = text;
    bar.setAttribute('aria-label', `Probability of ${text}`);
  }

  /** Readers speak every change of a status: only real ones. */
  #print(text: string): void {
    if (this.#figure.textContent !== text) this.#figure.textContent = text;
  }
}
