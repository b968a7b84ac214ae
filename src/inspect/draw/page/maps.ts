import { headOf } from '../../../shared/model/kinds.ts';
import { isVector, type Shape, vector } from '../../../shared/model/shape.ts';
import { layerText } from '../../../shared/util/figures.ts';
import type { ForwardTrace, Inspector, LayerActivation } from '../../activations/inspector.ts';
import { columnsOf, fewMaps, MAX_MAPS, type MapScale, scaleOf } from '../../activations/map-picture.ts';
import { refinementText } from '../../activations/shown-layers.ts';
import { ColourBar, MapPicture } from './picture.ts';

/** Classes that have names below their squares; of more, the squares are a block. */
const MAX_NAMED = 12;
/** Characters of a name below a square. */
const MAX_NAME = 3;

/** A panel for each layer, with its maps and their key. */
export class LayerPanels {
  readonly #panels: readonly LayerPanel[];

  constructor(parent: HTMLElement, { layout, shown }: Inspector, classNames: readonly string[]) {
    const { head } = layout.spec;
    const targets = headOf(head).targets?.(head);
    const hidden = targets === undefined ? shown.layers.slice(0, -1) : shown.layers;
    const panels = hidden.map((layer, i) => {
      const what = { name: layer.name, shape: layer.shape, note: refinementText(layer) };
      const isCompared = targets !== undefined && i === hidden.length - 1;
      return isCompared ? new TargetPanel(what, targets, classNames) : new LayerPanel(what);
    });
    const { isDistance, targetKind } = headOf(head);
    const meaning = isDistance ? 'distances' : targetKind === 'class' ? 'logits' : 'numbers';
    this.#panels = [...panels, new OutputPanel(classNames, meaning)];
    parent.append(...this.#panels.map(({ element }) => element));
  }

  show({ layers, prediction }: ForwardTrace): void {
    for (const [i, panel] of this.#panels.entries()) panel.show(layers[i] as LayerActivation, prediction);
  }

  clear(): void {
    for (const panel of this.#panels) panel.clear();
  }
}

interface What {
  readonly name: string;
  readonly shape: Shape;
  /** What has been done to the values. */
  readonly note?: string | undefined;
}

class LayerPanel {
  readonly element = document.createElement('section');
  protected readonly canvas: HTMLCanvasElement;
  protected readonly picture: MapPicture;
  protected readonly bar = new ColourBar();

  constructor({ name, shape, note }: What) {
    const few = isVector(shape) ? shape : { ...shape, maps: Math.min(shape.maps, MAX_MAPS) };
    // Units stacked in a block would be taller than any map.
    const isBlock = isVector(shape) && columnsOf(shape) < shape.maps;
    const text = `${layerText(name)} ${sizeOf(shape)}`;
    this.canvas = canvasOf(name, text, isBlock ? 'map units' : 'map');
    this.picture = new MapPicture(this.canvas, few);
    const title = document.createElement('h2');
    title.textContent = text;
    const cut = few.maps < shape.maps ? [`the first ${MAX_MAPS} maps`] : [];
    const notes = [...(note === undefined ? [] : [`after ${note}`]), ...cut];
    this.element.className = 'panel';
    this.element.append(title, this.canvas, this.bar.element);
    if (notes.length > 0) this.element.append(small(notes.join(', ')));
  }

  show({ values, shape }: LayerActivation, _prediction: number | undefined): void {
    const scale = scaleOf(values);
    this.picture.show(fewMaps(values, shape).values, scale);
    this.bar.show(scale);
  }

  clear(): void {
    this.picture.clear();
    this.bar.clear();
  }
}

type Targets = readonly (readonly number[])[];

/** The layer that an RBF head compares with its targets, and the nearest of these beside it. */
class TargetPanel extends LayerPanel {
  readonly #targets: Targets;
  readonly #target: MapPicture;
  readonly #caption: HTMLElement;
  readonly #names: readonly string[];

  constructor(what: What, targets: Targets, names: readonly string[]) {
    super(what);
    this.#targets = targets;
    this.#names = names;
    const canvas = canvasOf('target', 'The nearest target', this.canvas.className);
    this.#target = new MapPicture(canvas, what.shape);
    this.#caption = document.createElement('figcaption');
    const pair = document.createElement('div');
    pair.className = 'pair';
    const caption = document.createElement('figcaption');
    caption.textContent = 'the units';
    this.canvas.replaceWith(pair);
    pair.append(figureOf(this.canvas, caption), figureOf(canvas, this.#caption));
    this.clear();
  }

  override show(layer: LayerActivation, prediction: number): void {
    super.show(layer, prediction);
    this.#target.show(this.#targets[prediction] as readonly number[], scaleOf(layer.values));
    this.#caption.textContent = `nearest target: ${this.#names[prediction]}`;
  }

  override clear(): void {
    super.clear();
    this.#target.clear();
    this.#caption.textContent = 'nearest target';
  }
}

const MEANINGS = {
  distances: "Squared distance to each class's target: the nearest is the brightest and wins.",
  logits: "Each class's logit: the largest, the reddest, wins.",
  numbers: 'The outputs as the head reads them.',
} as const;

/** The outputs, few of them in a row with their classes. */
class OutputPanel extends LayerPanel {
  readonly #isDistance: boolean;
  readonly #classes: readonly HTMLElement[];

  constructor(names: readonly string[], meaning: keyof typeof MEANINGS) {
    super({ name: 'output', shape: vector(names.length) });
    this.#isDistance = meaning === 'distances';
    const isShort = names.every(({ length }) => length <= MAX_NAME);
    const shown = names.length > MAX_NAMED ? [] : names;
    this.#classes = shown.map((name, k) => {
      const item = document.createElement('li');
      item.textContent = isShort ? name : String(k);
      item.title = name;
      return item;
    });
    const row = document.createElement('ol');
    row.className = 'classes';
    row.style.setProperty('--classes', String(shown.length));
    row.append(...this.#classes);
    if (shown.length > 0) this.canvas.after(row);
    this.element.append(small(MEANINGS[meaning]));
  }

  override show(layer: LayerActivation, prediction: number | undefined): void {
    if (this.#isDistance) this.#showNearness(layer.values);
    else super.show(layer, prediction);
    for (const [k, item] of this.#classes.entries()) item.toggleAttribute('data-best', k === prediction);
  }

  override clear(): void {
    super.clear();
    for (const item of this.#classes) item.removeAttribute('data-best');
  }

  /** The colours of distances the other way round, since the lowest wins. */
  #showNearness(distances: Float32Array): void {
    const [nearest, farthest] = [Math.min(...distances), Math.max(...distances)];
    const scale: MapScale = { kind: 'sequential', max: farthest - nearest };
    this.picture.show(
      distances.map((distance) => farthest - distance),
      scale,
    );
    this.bar.show(scale, [farthest, nearest]);
  }
}

function small(text: string): HTMLElement {
  const note = document.createElement('p');
  note.className = 'note';
  note.textContent = text;
  return note;
}

function canvasOf(id: string, label: string, className: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.id = id;
  canvas.className = className;
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  return canvas;
}

function figureOf(...parts: readonly HTMLElement[]): HTMLElement {
  const figure = document.createElement('figure');
  figure.append(...parts);
  return figure;
}

function sizeOf({ maps, height, width }: Shape): string {
  return height * width === 1 ? `${maps} units` : `${maps}@${height}×${width}`;
}
