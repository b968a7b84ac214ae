/** Steps that are looked at. */
export interface View {
  readonly from: number;
  readonly to: number;
}

const LEAST_STEPS = 10;

/** What part of the run all charts show. */
export class Zoom {
  /** Undefined: all of it, and what comes. */
  #chosen: View | undefined;
  #last = 1;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** How far the steps go. */
  set last(step: number) {
    this.#last = Math.max(1, step);
  }

  get isWhole(): boolean {
    return this.#chosen === undefined;
  }

  get view(): View {
    return this.#chosen ?? { from: 1, to: this.#last };
  }

  choose(from: number, to: number): void {
    const length = Math.max(LEAST_STEPS, to - from);
    const begin = Math.max(1, Math.min(from, this.#last - length));
    const isWhole = begin <= 1 && begin + length >= this.#last;
    this.#chosen = isWhole ? undefined : { from: begin, to: Math.min(this.#last, begin + length) };
    this.#onChange();
  }

  whole(): void {
    this.#chosen = undefined;
    this.#onChange();
  }

  /** Keys of a chart in focus. @returns whether it was one */
  press(key: string): boolean {
    const { from, to } = this.view;
    const [middle, length] = [(from + to) / 2, to - from];
    switch (key) {
      case '+':
      case '=':
        this.choose(middle - length / 4, middle + length / 4);
        return true;
      case '-':
        this.choose(middle - length, middle + length);
        return true;
      case 'ArrowLeft':
        this.choose(from - length / 4, to - length / 4);
        return true;
      case 'ArrowRight':
        this.choose(from + length / 4, to + length / 4);
        return true;
      case '0':
      case 'Home':
        this.whole();
        return true;
      default:
        return false;
    }
  }
}
