import { startTheme } from '../../../page/theme.ts';
import { modelOf } from '../../../shared/model/registry.ts';
import { count } from '../../../shared/util/figures.ts';
import { toDigit } from '../../activations/digit.ts';
import { Inspector } from '../../activations/inspector.ts';
import { type DrawingModel, MODEL_PATH, WASM_PATH, WEIGHTS_PATH } from '../drawing.ts';
import { element } from './element.ts';
import { LayerPanels } from './maps.ts';
import { Pad } from './pad.ts';
import { MapPicture } from './picture.ts';
import { PredictionPanel } from './prediction.ts';

/** The scale of the ink's bytes. */
const INPUT_SCALE = { kind: 'sequential', max: 255 } as const;

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} gave ${response.status}.`);
  return response;
}

/** The network with the weights of the server's checkpoint, in this page. */
async function openInspector(model: DrawingModel): Promise<Inspector> {
  const [wasm, weights] = await Promise.all([
    fetched(WASM_PATH).then((response) => response.arrayBuffer()),
    fetched(WEIGHTS_PATH).then((response) => response.arrayBuffer()),
  ]);
  const inspector = new Inspector(await WebAssembly.compile(wasm), modelOf(model));
  inspector.setWeights(new Float32Array(weights));
  return inspector;
}

/** Follows the drawing, once a frame. */
function follow(inspector: Inspector): void {
  const prediction = new PredictionPanel(
    element('prediction', HTMLElement),
    element('probabilities', HTMLTableElement),
    inspector.layout.spec.head.classes,
  );
  const layers = new LayerPanels(element('layers', HTMLElement), inspector.layout);
  const input = new MapPicture(element('input', HTMLCanvasElement), inspector.layout.input);
  const speed = element('speed', HTMLElement);
  let first: number | undefined;
  const show = (): void => {
    const since = first as number;
    first = undefined;
    const digit = toDigit(pad.grey());
    if (digit === undefined) {
      prediction.clear();
      layers.clear();
      input.clear();
      speed.textContent = '';
      return;
    }
    const trace = inspector.show(digit);
    prediction.show(trace);
    layers.show(trace);
    input.show(digit, INPUT_SCALE);
    speed.textContent = `${(performance.now() - since).toFixed(0)} ms from stroke to maps`;
  };
  const pad = new Pad(element('pad', HTMLCanvasElement), (since) => {
    if (first === undefined) requestAnimationFrame(show);
    first ??= since;
  });
  element('clear', HTMLButtonElement).addEventListener('click', () => pad.clear());
  addEventListener('keydown', ({ key }) => {
    if (key === 'Delete' || key === 'Backspace') pad.clear();
  });
}

async function start(): Promise<void> {
  startTheme(element('theme', HTMLButtonElement), () => {});
  const warning = element('warning', HTMLElement);
  const warn = (text: string): void => {
    warning.textContent = text;
    warning.hidden = false;
  };
  try {
    const model = (await (await fetched(MODEL_PATH)).json()) as DrawingModel;
    element('title', HTMLElement).textContent = `${model.name}, step ${count(model.step)}`;
    if (model.note !== undefined) warn(model.note);
    follow(await openInspector(model));
    document.body.dataset.ready = '';
  } catch (error) {
    warn(`The network can't be loaded: ${error instanceof Error ? error.message : String(error)}`);
  }
}

await start();
