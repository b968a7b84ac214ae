import type { Shape } from '../../shared/model/shape.ts';
import { inputPicture } from '../activations/input-picture.ts';
import { colourOf, type MapScale, mapsPicture, type Picture, scaleOf } from '../activations/map-picture.ts';
import type { TestSet } from './data.ts';
import { type Html, html } from './html.ts';
import { pngOf } from './png.ts';
import { sampleOf } from './test-set.ts';
import { figure } from './text.ts';

/** Picture pixels of a value: the least at which the space between maps is one value wide. */
export const VALUE_PIXELS = 2;
const BAR_COLOURS = 64;

/** A layer's maps, small; the page enlarges them without blurring. */
export function mapsOf(values: ArrayLike<number>, shape: Shape, scale: MapScale, columns?: number): Picture {
  return mapsPicture(values, shape, { scale, zoom: VALUE_PIXELS, ...(columns !== undefined && { columns }) });
}

/** A test sample: in colour if it has colours. */
export function samplePicture(test: TestSet, index: number): Picture {
  return inputPicture(sampleOf(test, index), test.shape, { zoom: VALUE_PIXELS });
}

export function dataUri(picture: Picture): string {
  return `data:image/png;base64,${Buffer.from(pngOf(picture)).toString('base64')}`;
}

/** @param width on the page in CSS pixels, less if there is less room */
export function img(picture: Picture, alt: string, width: number): Html {
  const height = Math.round((picture.height / picture.width) * width);
  return html`<img class="maps" src="${dataUri(picture)}" alt="${alt}" width="${width}" height="${height}">`;
}

/** One scale for the values of several columns, so that they can be compared. */
export function commonScale(arrays: readonly Float32Array[]): MapScale {
  const scales = arrays.map(scaleOf);
  const max = Math.max(...scales.map((scale) => scale.max));
  return { kind: scales.some(({ kind }) => kind === 'diverging') ? 'diverging' : 'sequential', max };
}

/** The meaning of the colours. @param ends what is written at both ends, if not their values */
export function colourBar(scale: MapScale, ends?: readonly [from: string, to: string]): Html {
  const least = scale.kind === 'diverging' ? -scale.max : 0;
  const data = new Uint8ClampedArray(4 * BAR_COLOURS);
  for (let i = 0; i < BAR_COLOURS; i++) {
    const value = least + ((scale.max - least) * i) / (BAR_COLOURS - 1);
    data.set([...colourOf(scale, value), 255], 4 * i);
  }
  const [from, to] = ends ?? [figure(least), figure(scale.max)];
  const alt = `Colour bar: ${scale.kind === 'diverging' ? `${from} blue, 0 white, ${to} red` : `0 black, ${to} yellow`}`;
  const bar = { width: BAR_COLOURS, height: 1, data };
  return html`<p class="bar"><span>${from}</span><img src="${dataUri(bar)}" alt="${alt}" width="160" height="10"><span>${to}</span></p>`;
}

/** The range of values, in words for those who don't see the colours. */
export function rangeText(values: Float32Array): string {
  const least = values.reduce((found, value) => Math.min(found, value), Number.POSITIVE_INFINITY);
  const max = values.reduce((found, value) => Math.max(found, value), Number.NEGATIVE_INFINITY);
  return `from ${figure(least)} to ${figure(max)}`;
}
