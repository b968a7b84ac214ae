import { layerText } from '../shared/figures.ts';
import type { LayerActivation, Passage } from '../shared/inspect/inspector.ts';
import { columnsOf, mapsPicture, scaleOf } from '../shared/inspect/map-picture.ts';
import type { ModelLayout, Shape } from '../shared/model/layout.ts';
import { context } from './element.ts';

/** A panel for each layer, with its maps. */
export class LayerPanels {
  readonly #canvases: readonly HTMLCanvasElement[];

  constructor(parent: HTMLElement, layout: ModelLayout) {
    this.#canvases = layout.layers.map(({ spec, output }) => {
      const canvas = document.createElement('canvas');
      // Units stacked in a block would be taller than any map.
      canvas.className = columnsOf(output) < output.maps && output.height * output.width === 1 ? 'map units' : 'map';
      canvas.id = spec.name;
      canvas.setAttribute('role', 'img');
      canvas.setAttribute('aria-label', `${spec.name}: ${sizeOf(output)}`);
      const title = document.createElement('h2');
      title.textContent = `${layerText(spec.name)} ${sizeOf(output)}`;
      const panel = document.createElement('section');
      panel.className = 'panel';
      panel.append(title, canvas);
      parent.append(panel);
      return canvas;
    });
  }

  show({ layers }: Passage): void {
    for (const [i, layer] of layers.entries()) drawMaps(this.#canvases[i] as HTMLCanvasElement, layer);
  }

  clear(): void {
    for (const canvas of this.#canvases) canvas.width = canvas.height = 1;
  }
}

/** A value a pixel: the page enlarges them. */
export function drawMaps(
  canvas: HTMLCanvasElement,
  { shape, values }: Pick<LayerActivation, 'shape' | 'values'>,
): void {
  const { width, height, data } = mapsPicture(values, shape, { scale: scaleOf(values), zoom: 1 });
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context(canvas).putImageData(new ImageData(data, width, height), 0, 0);
}

function sizeOf({ maps, height, width }: Shape): string {
  return height * width === 1 ? `${maps} units` : `${maps}@${height}×${width}`;
}
