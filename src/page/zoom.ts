/** A range of the horizontal axis. */
export interface View {
  readonly from: number;
  readonly to: number;
}

/** The range of the horizontal axis that all charts show. */
export class Zoom {
  /** Whether the axis is logarithmic, as that of steps may be. */
  isLogarithmic = false;
  /** The shortest range in view. */
  least = 1;
  /** Undefined: all of it, what is to come included. */
  #chosen: View | undefined;
  #all: View = { from: 1, to: 1 };
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** All that there is. */
  set all(view: View) {
    this.#all = view;
  }

  get view(): View {
    return this.#chosen ?? this.#all;
  }

  choose(from: number, to: number): void {
    const { from: first, to: last } = this.#all;
    const length = Math.max(this.least, to - from);
    const begin = Math.max(first, Math.min(from, last - length));
    const isWhole = begin <= first && begin + length >= last;
    this.#chosen = isWhole ? undefined : { from: begin, to: Math.min(last, begin + length) };
    this.#onChange();
  }

  whole(): void {
    this.#chosen = undefined;
    this.#onChange();
  }

  /** Handles a key of a chart in focus. @returns whether the key has a meaning */
  press(key: string): boolean {
    const { from, to } = this.view;
    const [first, last, begin, end] = [this.#all.from, this.#all.to, from, to].map((each) => this.#place(each)) as [
      number,
      number,
      number,
      number,
    ];
    const quarter = (end - begin) / 4;
    const choose = (start: number, stop: number): void =>
      this.choose(this.#valueAt(Math.max(first, start)), this.#valueAt(Math.min(last, stop)));
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

  /** The place of a value along the axis. */
  #place(value: number): number {
    return this.isLogarithmic ? Math.log(value) : value;
  }

  #valueAt(place: number): number {
    return this.isLogarithmic ? Math.exp(place) : place;
  }
}
