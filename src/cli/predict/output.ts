import type { ForwardTrace } from '../../inspect/activations/inspector.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { jsonOf, printLines } from '../print.ts';
import { showsUnicode } from '../terminal/terminal.ts';
import { digitText } from './digit-text.ts';

/** What an image was taken for, or why it wasn't. */
export type Predicted = { readonly file: string; readonly index?: number } & (
  | ({ readonly digit: Uint8Array } & Pick<ForwardTrace, 'prediction' | 'probabilities' | 'ranking'>)
  | { readonly problem: string }
);

/** The weights that made the predictions. */
export interface Source {
  readonly checkpoint: string;
  readonly step: number;
  readonly weightsSha256: string;
  /** What they were trained on. */
  readonly dataset: string;
}

/** Receives the images in order, as they come. */
export interface Output {
  image(predicted: Predicted): void;
  end(): void;
}

const SHOWN = 3;
/** The most images whose pictures are printed; with more, each has one line. */
const MAX_PICTURES = 4;

/** One JSON object, written as it grows. */
export class JsonOutput implements Output {
  /** The object's start is written with the first image: until then a failure leaves nothing behind. */
  #before: string;

  constructor(source: Source) {
    this.#before = `${JSON.stringify(source).slice(0, -1)},"images":[`;
  }

  image(predicted: Predicted): void {
    const { file, index } = predicted;
    const name = { file, ...(index === undefined ? {} : { index }) };
    const found =
      'problem' in predicted
        ? { error: predicted.problem }
        : {
            prediction: predicted.prediction,
            best: bestOf(predicted),
            probabilities: [...predicted.probabilities],
          };
    process.stdout.write(`${this.#before}${jsonOf({ ...name, ...found })}`);
    this.#before = ',';
  }

  end(): void {
    process.stdout.write(']}\n');
  }
}

/** One line an image, and the digit below it if there are few. */
export class TextOutput implements Output {
  readonly #pictures: boolean;

  constructor(images: number) {
    this.#pictures = images <= MAX_PICTURES;
  }

  image(predicted: Predicted): void {
    if ('problem' in predicted) return;
    const best = bestOf(predicted).map(
      ({ digit, probability }) => `${digit} ${(100 * probability).toFixed(2).padStart(6)} %`,
    );
    printLines([`${nameOf(predicted)}  ${best.join('   ')}`]);
    if (this.#pictures) process.stdout.write(digitText(predicted.digit, styleOf(process.stdout)));
  }

  end(): void {}
}

export function nameOf({ file, index }: Pick<Predicted, 'file' | 'index'>): string {
  return `${shownPath(file)}${index === undefined ? '' : ` [${index}]`}`;
}

function bestOf({ ranking, probabilities }: Pick<ForwardTrace, 'ranking' | 'probabilities'>) {
  return ranking.slice(0, SHOWN).map((digit) => ({ digit, probability: probabilities[digit] as number }));
}

function styleOf(stream: NodeJS.WriteStream): { colour: boolean; unicode: boolean } {
  const { env } = process;
  const colour = stream.isTTY === true && env.TERM !== 'dumb' && !env.NO_COLOR;
  return { colour, unicode: showsUnicode(stream, env) };
}
