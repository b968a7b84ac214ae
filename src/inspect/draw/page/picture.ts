import { figure } from '../../../page/format.ts';
import { type Shape, shapeSize } from '../../../shared/model/shape.ts';
import { type MapScale, mapsPicture, type Picture } from '../../activations/map-picture.ts';
import { context } from './element.ts';

const BAR_COLOURS = 64;
const BAR: Shape = { maps: 1, height: 1, width: BAR_COLOURS };

const EMPTY: MapScale = { kind: 'sequential', max: 0 };

/** A canvas with maps of one shape, a value a pixel: the page enlarges them. It keeps its size while it is empty. */
export class MapPicture {
  readonly #canvas: HTMLCanvasElement;
  readonly #shape: Shape;

  constructor(canvas: HTMLCanvasElement, shape: Shape) {
    this.#canvas = canvas;
    this.#shape = shape;
    const { width, height } = mapsPicture(new Float32Array(shapeSize(shape)), shape, { scale: EMPTY, zoom: 1 });
    canvas.width = width;
    canvas.height = height;
  }

  /** @param values [maps][height][width] */
  show(values: ArrayLike<number>, scale: MapScale): void {
    this.paint(mapsPicture(values, this.#shape, { scale, zoom: 1 }));
  }

  /** @param picture of the shape's size */
  paint({ width, height, data }: Picture): void {
    context(this.#canvas).putImageData(new ImageData(data, width, height), 0, 0);
  }

  clear(): void {
    context(this.#canvas).clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }
}

/** What the colours of a picture stand for. */
export class ColourBar {
  readonly element = document.createElement('p');
  readonly #from = document.createElement('span');
  readonly #to = document.createElement('span');
  readonly #colours: MapPicture;

  constructor() {
    const canvas = document.createElement('canvas');
    this.#colours = new MapPicture(canvas, BAR);
    this.element.className = 'bar';
    this.element.append(this.#from, canvas, this.#to);
  }

  /** @param ends what the first colour and the last stand for; the values themselves by default */
  show(scale: MapScale, ends?: readonly [from: number, to: number]): void {
    const least = scale.kind === 'diverging' ? -scale.max : 0;
    const step = (scale.max - least) / (BAR_COLOURS - 1);
    this.#colours.show(
      Array.from({ length: BAR_COLOURS }, (_, i) => least + i * step),
      scale,
    );
    const [from, to] = ends ?? [least, scale.max];
    this.#from.textContent = short(from);
    this.#to.textContent = short(to);
  }

  clear(): void {
    this.#colours.clear();
    this.#from.textContent = this.#to.textContent = '';
  }
}

/** Three digits that count. */
export function short(value: number): string {
  return figure(Number(value.toPrecision(3)));
}
