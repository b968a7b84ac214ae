import { percent } from '../../../shared/util/figures.ts';
import type { ForwardTrace } from '../../activations/inspector.ts';

interface Row {
  readonly row: HTMLTableRowElement;
  readonly bar: HTMLProgressElement;
  readonly text: HTMLTableCellElement;
}

/** The digit that the network sees, and the probability of each. */
export class PredictionPanel {
  readonly #figure: HTMLElement;
  readonly #rows: readonly Row[];

  constructor(figure: HTMLElement, table: HTMLTableElement, classes: number) {
    this.#figure = figure;
    this.#rows = Array.from({ length: classes }, (_, digit) => {
      const row = table.insertRow();
      const name = document.createElement('th');
      name.scope = 'row';
      name.textContent = String(digit);
      const bar = document.createElement('progress');
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute('aria-label', `Probability of ${digit}`);
      row.append(name);
      row.insertCell().append(bar);
      return { row, bar, text: row.insertCell() };
    });
  }

  show({ prediction, probabilities }: ForwardTrace): void {
    this.#print(String(prediction));
    for (const [digit, { row, bar, text }] of this.#rows.entries()) {
      const probability = probabilities[digit] as number;
      bar.value = probability;
      text.textContent = percent(probability, 1);
      row.toggleAttribute('data-best', digit === prediction);
    }
  }

  clear(): void {
    this.#print('–');
    for (const { row, bar, text } of this.#rows) {
      bar.value = 0;
      text.textContent = '';
      row.removeAttribute('data-best');
    }
  }

  /** Readers speak every change of a status: only real ones. */
  #print(text: string): void {
    if (this.#figure.textContent !== text) this.#figure.textContent = text;
  }
}
