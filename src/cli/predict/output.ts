import type { OutputTrace } from '../../inspect/activations/inspector.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { jsonOf, printLines, writeJson } from '../print.ts';
import { sampleText, styleOf } from './sample-text.ts';

/** What an image or a table's row was taken for, or why it wasn't. */
export type Predicted = { readonly file: string; readonly index?: number } & (
  | ({ readonly sample?: Uint8Array; readonly numbers?: readonly number[] } & OutputTrace)
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

/** Names of the classes, or of the outputs; undefined: they have numbers. */
type Names = readonly string[] | undefined;

const SHOWN = 3;
const SHOWN_NUMBERS = 10;
/** The most images whose pictures are printed; with more, each has one line. */
const MAX_PICTURES = 4;

/** One JSON object, written as it grows. */
export class JsonOutput implements Output {
  readonly #names: Names;
  readonly #list: 'images' | 'rows';
  /** The object's start is written with the first image: until then a failure leaves nothing behind. */
  #before: string;

  /** @param list what is predicted */
  constructor(source: Source, names: Names, list: 'images' | 'rows' = 'images') {
    this.#names = names;
    this.#list = list;
    this.#before = `${JSON.stringify(source).slice(0, -1)},"${list}":[`;
  }

  image(predicted: Predicted): void {
    const { file, index } = predicted;
    const place = this.#list === 'rows' ? 'row' : 'index';
    const name = { file, ...(index === undefined ? {} : { [place]: index }) };
    const found = 'problem' in predicted ? { error: predicted.problem } : this.#found(predicted);
    writeJson(`${this.#before}${jsonOf({ ...name, ...found })}`);
    this.#before = ',';
  }

  end(): void {
    writeJson(']}\n');
  }

  #found(trace: OutputTrace & { readonly numbers?: readonly number[] }) {
    const { prediction, probabilities, outputs, numbers } = trace;
    if (probabilities === undefined) return { outputs: numbers ?? [...outputs] };
    const best = bestOf(trace).map(({ k, probability }) => {
      const name = this.#names?.[k];
      return {
        [prediction === undefined ? 'label' : 'class']: k,
        ...(name === undefined ? {} : { name }),
        probability,
      };
    });
    const said = prediction === undefined ? { labels: labelsOf(outputs) } : { prediction };
    return { ...said, best, probabilities: [...probabilities] };
  }
}

/** One line an image, and the image as the network sees it below it if there are few. */
export class TextOutput implements Output {
  readonly #pictures: boolean;
  readonly #input: Shape;
  readonly #names: Names;

  /** @param input samples of the model */
  constructor(images: number, input: Shape, names: Names) {
    this.#pictures = images <= MAX_PICTURES;
    this.#input = input;
    this.#names = names;
  }

  image(predicted: Predicted): void {
    if ('problem' in predicted) return;
    printLines([`${nameOf(predicted)}  ${this.#line(predicted)}`]);
    const { sample } = predicted;
    const picture = this.#pictures && sample !== undefined && sampleText(sample, this.#input, styleOf(process.stdout));
    if (typeof picture === 'string') process.stdout.write(picture);
  }

  end(): void {}

  #line(trace: OutputTrace & { readonly numbers?: readonly number[] }): string {
    const nameFor = (k: number): string => this.#names?.[k] ?? String(k);
    if (trace.probabilities === undefined) {
      const numbers = [...(trace.numbers ?? trace.outputs)]
        .slice(0, SHOWN_NUMBERS)
        .map((value) => value.toPrecision(6));
      const shown = numbers.map((number, k) => (this.#names === undefined ? number : `${nameFor(k)} ${number}`));
      return `${shown.join('  ')}${trace.outputs.length > SHOWN_NUMBERS ? '  …' : ''}`;
    }
    const best = bestOf(trace).map(({ k, probability }) => {
      return `${nameFor(k)} ${(100 * probability).toFixed(2).padStart(6)} %`;
    });
    return best.join('   ');
  }
}

export function nameOf({ file, index }: Pick<Predicted, 'file' | 'index'>): string {
  return `${shownPath(file)}${index === undefined ? '' : ` [${index}]`}`;
}

/** The likeliest classes or labels; of labels, all that are said to be there. */
function bestOf({ ranking, probabilities, outputs, prediction }: OutputTrace) {
  const count = prediction === undefined ? Math.max(SHOWN, labelsOf(outputs).length) : SHOWN;
  return ranking.slice(0, count).map((k) => ({ k, probability: probabilities?.[k] as number }));
}

function labelsOf(outputs: Float32Array): number[] {
  return [...outputs.keys()].filter((label) => (outputs[label] as number) > 0);
}
