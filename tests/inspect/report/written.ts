import assert from 'node:assert/strict';
import { decode } from 'fast-png';
import { colourOf, type MapScale } from '#src/inspect/activations/map-picture.js';

/** Picture pixels of a value, and between maps. */
const ZOOM = 2;
const GAP = 2;

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

/** What a reader sees of markup: texts, a space where elements meet. */
export function textOf(markup: string): string {
  const text = markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/&[^;\s]+;/g, (entity) => ENTITIES[entity] ?? entity);
  return text.replaceAll(/\s+/g, ' ').trim();
}

/** A chapter's markup. */
export function chapterOf(page: string, id: string): string {
  const from = page.indexOf(`<section class="chapter" id="${id}"`);
  assert.ok(from >= 0, `no chapter ${id}`);
  return page.slice(from).split(/<section class="chapter"|<\/main>/)[1] as string;
}

/** The markup of the panels whose headings begin so, in order. */
export function panelsOf(page: string, heading: string): string[] {
  const parts = page.split(/<section class="panel"><h3>/).slice(1);
  return parts.filter((part) => textOf(part).startsWith(heading)).map((part) => part.split('</section>')[0] as string);
}

export function panelOf(page: string, heading: string): string {
  const [panel, ...others] = panelsOf(page, heading);
  assert.ok(panel !== undefined && others.length === 0, `${others.length + (panel ? 1 : 0)} panels ${heading}`);
  return panel;
}

/** The cells of a table's rows; the first row is its head. */
export function rowsOf(markup: string): string[][] {
  return [...markup.matchAll(/<tr[^>]*>(.*?)<\/tr>/gs)].map(([, row]) =>
    [...(row as string).matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell]) => textOf(cell as string)),
  );
}

/** A list of names and values. */
export function factsOf(markup: string): Record<string, string> {
  const pairs = [...markup.matchAll(/<dt>(.*?)<\/dt><dd>(.*?)<\/dd>/gs)];
  return Object.fromEntries(pairs.map(([, name, value]) => [textOf(name as string), textOf(value as string)]));
}

export interface Picture {
  readonly alt: string;
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

/** The pictures of a layer's values; colour bars aren't among them. */
export function picturesOf(markup: string): Picture[] {
  const found = markup.matchAll(
    /<(?:img class="maps" src|image href)="data:image\/png;base64,([^"]*)"(?: alt="([^"]*)")?/g,
  );
  return [...found].map(([, base64, alt = '']) => {
    const { width, height, data } = decode(Buffer.from(base64 as string, 'base64'));
    return { alt: textOf(alt), width, height, data };
  });
}

export interface Tiles {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
  /** Maps beside each other. */
  readonly columns: number;
  readonly scale: MapScale;
}

/** Asserts that each value [maps][height][width] has its colour at its place; undefined is a hole. */
export function assertShows(picture: Picture, values: ArrayLike<number | undefined>, tiles: Tiles): void {
  const { maps, height, width, columns, scale } = tiles;
  const gap = height * width > 1 ? GAP : 0;
  assert.equal(picture.width, columns * (width * ZOOM + gap) - gap);
  assert.equal(picture.height, Math.ceil(maps / columns) * (height * ZOOM + gap) - gap);
  assert.equal(values.length, maps * height * width);
  const wrong: string[] = [];
  for (let map = 0; map < maps; map++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const left = (map % columns) * (width * ZOOM + gap) + x * ZOOM;
        const top = Math.floor(map / columns) * (height * ZOOM + gap) + y * ZOOM;
        const pixel = Array.from({ length: 4 }, (_, i) => picture.data[4 * (top * picture.width + left) + i]);
        const value = values[(map * height + y) * width + x];
        const isRight =
          value === undefined ? pixel[3] === 0 : String(pixel) === String([...colourOf(scale, value), 255]);
        if (!isRight) wrong.push(`map ${map}, row ${y}, column ${x}: ${pixel} for ${value}`);
      }
    }
  }
  assert.deepEqual(wrong.slice(0, 5), [], picture.alt);
}
