import type { Head } from '../../../shared/model/heads/head.ts';
import { headOf } from '../../../shared/model/kinds.ts';
import type { LayerLayout } from '../../../shared/model/layers/layer.ts';
import type { ModelLayout } from '../../../shared/model/layout.ts';
import type { Shape } from '../../../shared/model/shape.ts';
import type { HeadSpec } from '../../../shared/model/spec.ts';
import { layerText } from '../../../shared/util/figures.ts';
import type { ForwardTrace, LayerActivation } from '../../activations/inspector.ts';
import { columnsOf, type MapScale, scaleOf } from '../../activations/map-picture.ts';
import { ColourBar, MapPicture } from './picture.ts';

/** A panel for each layer, with its maps and their key. */
export class LayerPanels {
  readonly #panels: readonly LayerPanel[];

  constructor(parent: HTMLElement, { layers, spec }: ModelLayout) {
    const { head } = spec;
    const targets = headOf(head).targets?.(head);
    this.#panels = layers.map((layer) => {
      if (layer.spec.name === head.name) return new OutputPanel(layer, head);
      const isCompared = layer.spec === spec.layers.at(-1);
      return targets && isCompared ? new TargetPanel(layer, targets) : new LayerPanel(layer);
    });
    parent.append(...this.#panels.map(({ element }) => element));
  }

  show({ layers, prediction }: ForwardTrace): void {
    for (const [i, panel] of this.#panels.entries()) panel.show(layers[i] as LayerActivation, prediction);
  }

  clear(): void {
    for (const panel of this.#panels) panel.clear();
  }
}

class LayerPanel {
  readonly element = document.createElement('section');
  protected readonly canvas: HTMLCanvasElement;
  protected readonly picture: MapPicture;
  protected readonly bar = new ColourBar();

  constructor({ spec, output }: LayerLayout) {
    // Units stacked in a block would be taller than any map.
    const isBlock = columnsOf(output) < output.maps && output.height * output.width === 1;
    this.canvas = canvasOf(spec.name, `${layerText(spec.name)}: ${sizeOf(output)}`, isBlock ? 'map units' : 'map');
    this.picture = new MapPicture(this.canvas, output);
    const title = document.createElement('h2');
    title.textContent = `${layerText(spec.name)} ${sizeOf(output)}`;
    this.element.className = 'panel';
    this.element.append(title, this.canvas, this.bar.element);
  }

  show({ values }: LayerActivation, _prediction: number): void {
    const scale = scaleOf(values);
    this.picture.show(values, scale);
    this.bar.show(scale);
  }

  clear(): void {
    this.picture.clear();
    this.bar.clear();
  }
}

type Targets = ReturnType<NonNullable<Head['targets']>>;

/** The layer that an RBF head compares with its targets, and the nearest of these beside it. */
class TargetPanel extends LayerPanel {
  readonly #targets: Targets;
  readonly #target: MapPicture;
  readonly #caption: HTMLElement;

  constructor(layer: LayerLayout, targets: Targets) {
    super(layer);
    this.#targets = targets;
    const canvas = canvasOf('target', 'The nearest target', this.canvas.className);
    this.#target = new MapPicture(canvas, layer.output);
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
    this.#caption.textContent = `nearest target: ${prediction}`;
  }

  override clear(): void {
    super.clear();
    this.#target.clear();
    this.#caption.textContent = 'nearest target';
  }
}

/** The classes in a row, with their digits. */
class OutputPanel extends LayerPanel {
  readonly #isDistance: boolean;
  readonly #digits: readonly HTMLElement[];

  constructor(layer: LayerLayout, head: HeadSpec) {
    super(layer);
    this.#isDistance = headOf(head).isDistance;
    this.#digits = Array.from({ length: head.classes }, (_, digit) => {
      const item = document.createElement('li');
      item.textContent = String(digit);
      return item;
    });
    const row = document.createElement('ol');
    row.className = 'classes';
    row.append(...this.#digits);
    const note = document.createElement('p');
    note.className = 'note';
    note.textContent = this.#isDistance
      ? "Squared distance to each digit's target: the nearest is the brightest and wins."
      : "Each digit's logit: the largest, the reddest, wins.";
    this.canvas.after(row);
    this.element.append(note);
  }

  override show(layer: LayerActivation, prediction: number): void {
    if (this.#isDistance) this.#showNearness(layer.values);
    else super.show(layer, prediction);
    for (const [digit, item] of this.#digits.entries()) item.toggleAttribute('data-best', digit === prediction);
  }

  override clear(): void {
    super.clear();
    for (const item of this.#digits) item.removeAttribute('data-best');
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
