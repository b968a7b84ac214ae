/** A range of steps. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** The fewest steps in view. */
const MIN_STEPS = 10;

/** The range of steps that all charts show. */
export class Zoom {
  /** Whether the axis of steps is logarithmic. */
  isLogarithmic = false;
  /** Undefined: all steps, those to come included. */
  #chosen: View | undefined;
  #last = 1;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The last step. */
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
    const length = Math.max(MIN_STEPS, to - from);
    const begin = Math.max(1, Math.min(from, this.#last - length));
    const isWhole = begin <= 1 && begin + length >= this.#last;
    this.#chosen = isWhole ? undefined : { from: begin, to: Math.min(this.#last, begin + length) };
    this.#onChange();
  }

  whole(): void {
    this.#chosen = undefined;
    this.#onChange();
  }

  /** Handles a key of a chart in focus. @returns whether the key has a meaning */
  press(key: string): boolean {
    const { from, to } = this.view;
    const [first, last, begin, end] = [this.#place(1), this.#place(this.#last), this.#place(from), this.#place(to)];
    const quarter = (end - begin) / 4;
    const choose = (start: number, stop: number): void =>
      this.choose(this.#stepAt(Math.max(first, start)), this.#stepAt(Math.min(last, stop)));
    const move = (by: number): void => choose(begin + by, end + by);
    switch (key) {
      case '+':
      case '=':
        choose(begin + quarter, end - quarter);
        return true;
      case '-':
        choose(begin - 2 * quarter, end + 2 * quarter);
        return true;
      case 'ArrowLeft':
        move(Math.max(first - begin, -quarter));
        return true;
      case 'ArrowRight':
        move(Math.min(last - end, quarter));
        return true;
      case '0':
      case 'Home':
        this.whole();
        return true;
      default:
        return false;
    }
  }

  /** The place of a step along the axis. */
  #place(step: number): number {
    return this.isLogarithmic ? Math.log(step) : step;
  }

  #stepAt(place: number): number {
    return this.isLogarithmic ? Math.exp(place) : place;
  }
}
