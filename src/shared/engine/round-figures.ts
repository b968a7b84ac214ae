/** What a local step of one replica found, or the sums over several. */
export interface LocalStep {
  readonly lossSum: number;
  readonly correct: number;
  readonly gradientNorm: number;
}

/** Local steps of the longest round: what they found is kept until it ends, and a stop waits for that. */
export const MAX_LOCAL_STEPS = 4096;
/** Float64s of a local step: loss sum, correct count and gradient norm. */
const WIDTH = 3;
/** Float64s before the local steps: where the first value that isn't finite is, and how far the weights have moved. */
const HEADER = 2;

/**
 * What the local steps of one replica found, or the sums over several, as float64 [2 + 3 x steps]. The first word orders the steps and
 * replicas whose loss or gradient norm wasn't finite: the smallest step * replicas + replica, Infinity if there was none. The second one is
 * the squared distance of the weights from those that the round began with.
 */
export class RoundFigures {
  readonly words: Float64Array;

  /** @param words they may lie in shared memory */
  constructor(words: Float64Array) {
    this.words = words;
  }

  static length(steps: number): number {
    return HEADER + WIDTH * steps;
  }

  static of(steps: number): RoundFigures {
    return new RoundFigures(new Float64Array(RoundFigures.length(steps)));
  }

  get steps(): number {
    return (this.words.length - HEADER) / WIDTH;
  }

  /** Where the first value is that isn't finite; Infinity: all are. */
  get failedAt(): number {
    return this.words[0] as number;
  }

  /** The squared distance of the weights from those that the round began with. */
  get moved(): number {
    return this.words[1] as number;
  }

  set moved(squares: number) {
    this.words[1] = squares;
  }

  clear(): void {
    this.words.fill(0);
    this.words[0] = Number.POSITIVE_INFINITY;
  }

  /** @returns whether loss and norm are finite; if they aren't, the replica's other steps are worth nothing */
  set(step: number, { lossSum, correct, gradientNorm }: LocalStep, place: number): boolean {
    this.words.set([lossSum, correct, gradientNorm], HEADER + WIDTH * step);
    if (Number.isFinite(lossSum) && Number.isFinite(gradientNorm)) return true;
    this.words[0] = place;
    return false;
  }

  at(step: number): LocalStep {
    const [lossSum = 0, correct = 0, gradientNorm = 0] = this.words.subarray(HEADER + WIDTH * step);
    return { lossSum, correct, gradientNorm };
  }

  /** A copy, with the sums of both. */
  plus({ words }: RoundFigures): RoundFigures {
    const sum = new RoundFigures(this.words.map((word, i) => word + (words[i] as number)));
    sum.words[0] = Math.min(this.failedAt, words[0] as number);
    return sum;
  }
}
