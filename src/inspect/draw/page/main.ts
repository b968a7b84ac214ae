import { startTheme } from '../../../page/theme.ts';
import { layoutOf } from '../../../shared/model/layout.ts';
import { count } from '../../../shared/util/figures.ts';
import { inputPicture, isColour } from '../../activations/input-picture.ts';
import { Inspector } from '../../activations/inspector.ts';
import { type Prepared, pictureProblem, prepare, takesDrawings } from '../../images/prepare.ts';
import { type DrawingModel, MODEL_PATH, WASM_PATH, WEIGHTS_PATH } from '../drawing.ts';
import { element } from './element.ts';
import { LayerPanels } from './maps.ts';
import { Pad } from './pad.ts';
import { MapPicture } from './picture.ts';
import { acceptPictures } from './picture-file.ts';
import { PredictionPanel } from './prediction.ts';

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} gave ${response.status}.`);
  return response;
}

/** The network with the weights of the server's checkpoint, in this page. */
async function openInspector({ spec }: DrawingModel): Promise<Inspector> {
  const [wasm, weights] = await Promise.all([
    fetched(WASM_PATH).then((response) => response.arrayBuffer()),
    fetched(WEIGHTS_PATH).then((response) => response.arrayBuffer()),
  ]);
  const inspector = new Inspector(await WebAssembly.compile(wasm), layoutOf(spec));
  inspector.setWeights(new Float32Array(weights));
  return inspector;
}

/** Shows what the network makes of samples. */
class Display {
  readonly #inspector: Inspector;
  readonly #prediction: PredictionPanel;
  readonly #layers: LayerPanels;
  readonly #input: MapPicture;
  readonly #speed = element('speed', HTMLElement);

  constructor(inspector: Inspector, classNames: readonly string[]) {
    const { input } = inspector.layout;
    const parts = [element('prediction', HTMLElement), element('probabilities', HTMLTableElement)] as const;
    this.#inspector = inspector;
    this.#prediction = new PredictionPanel(...parts, classNames);
    this.#layers = new LayerPanels(element('layers', HTMLElement), inspector, classNames);
    element('size', HTMLElement).textContent = `${input.width}×${input.height}`;
    const shape = isColour(input) ? { ...input, maps: 1 } : input;
    this.#input = new MapPicture(element('input', HTMLCanvasElement), shape);
  }

  /** @param since when the sample began to change, as `performance.now` counts; @returns what is wrong with it */
  show(prepared: Prepared, since: number): string | undefined {
    if ('problem' in prepared) {
      for (const part of [this.#prediction, this.#layers, this.#input]) part.clear();
      this.#speed.textContent = '';
      return prepared.problem;
    }
    const trace = this.#inspector.show(prepared.sample);
    this.#prediction.show(trace);
    this.#layers.show(trace);
    this.#input.paint(inputPicture(prepared.sample, this.#inspector.layout.input, { zoom: 1 }));
    this.#speed.textContent = `${(performance.now() - since).toFixed(0)} ms from input to maps`;
    return undefined;
  }
}

/** Follows the drawing, once a frame. */
function followPad(display: Display, { layout: { input } }: Inspector, preparation: DrawingModel['preparation']): void {
  let first: number | undefined;
  const show = (): void => {
    const since = first as number;
    first = undefined;
    display.show(prepare({ ...pad.grey(), channels: 1 }, input, preparation), since);
  };
  const pad = new Pad(element('pad', HTMLCanvasElement), (since) => {
    if (first === undefined) requestAnimationFrame(show);
    first ??= since;
  });
  element('clear', HTMLButtonElement).addEventListener('click', () => pad.clear());
  addEventListener('keydown', ({ key }) => {
    if (key === 'Delete' || key === 'Backspace') pad.clear();
  });
  element('drawing', HTMLElement).hidden = false;
}

/** @param warn shows what is wrong with a picture; undefined: nothing */
function follow(inspector: Inspector, model: DrawingModel, warn: (text?: string) => void): void {
  const { classNames, preparation } = model;
  const { layout } = inspector;
  const names = classNames ?? Array.from({ length: layout.classes }, (_, k) => String(k));
  const problem = pictureProblem(layout.input);
  if (problem !== undefined) {
    warn(`Nothing can be drawn here: ${problem}.`);
    return;
  }
  const display = new Display(inspector, names);
  if (takesDrawings(layout.input, preparation)) followPad(display, inspector, preparation);
  element('picture', HTMLElement).hidden = false;
  acceptPictures(element('file', HTMLInputElement), {
    onPixels: (pixels) => {
      const wrong = display.show(prepare(pixels, layout.input, preparation), performance.now());
      warn(wrong && `The picture can't be used: ${wrong}.`);
    },
    onError: (name) => warn(`${name} isn't a picture that this browser can read.`),
  });
  for (const id of ['draw', 'answer', 'seen']) element(id, HTMLElement).hidden = false;
}

async function start(): Promise<void> {
  startTheme(element('theme', HTMLButtonElement), () => {});
  const warning = element('warning', HTMLElement);
  let note: string | undefined;
  const warn = (text: string | undefined): void => {
    warning.textContent = text ?? note ?? '';
    warning.hidden = warning.textContent === '';
  };
  try {
    const model = (await (await fetched(MODEL_PATH)).json()) as DrawingModel;
    element('title', HTMLElement).textContent = `${model.name}, step ${count(model.step)}`;
    note = model.note;
    warn(undefined);
    follow(await openInspector(model), model, warn);
    document.body.dataset.ready = '';
  } catch (error) {
    warn(`The network can't be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
}

await start();
