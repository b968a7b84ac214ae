import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pngOf } from '../../report/png.ts';
import { UsageError } from '../../shared/errors.ts';
import { DIGIT_SIDE } from '../../shared/inspect/digit.ts';
import type { Passage } from '../../shared/inspect/inspector.ts';
import { mapsPicture, scaleOf, zoomFor } from '../../shared/inspect/map-picture.ts';
import type { Shape } from '../../shared/model/layout.ts';

/** Pixels, about. */
const PICTURE_WIDTH = 480;

interface NamedMaps {
  readonly name: string;
  readonly shape: Shape;
  readonly values: Float32Array;
}

/**
 * Writes input.png and a picture for each layer into `folder`, which is made.
 * @throws UsageError where that can't be
 */
export async function writeLayers(folder: string, digit: Uint8Array, { layers }: Passage): Promise<void> {
  const shape = { maps: 1, height: DIGIT_SIDE, width: DIGIT_SIDE };
  const input = { name: 'input', shape, values: Float32Array.from(digit, (byte) => byte / 255) };
  try {
    await mkdir(folder, { recursive: true });
    for (const maps of [input, ...layers]) await writeFile(join(folder, `${maps.name}.png`), layerPng(maps));
  } catch (error) {
    throw new UsageError(`--layers: the pictures can't be written to ${folder} (${(error as Error).message}).`, {
      cause: error,
    });
  }
}

function layerPng({ shape, values }: NamedMaps): Uint8Array {
  return pngOf(mapsPicture(values, shape, { scale: scaleOf(values), zoom: zoomFor(shape, PICTURE_WIDTH) }));
}

/** Folders for the layers of several images, by the files' names; equal ones get a number. */
export class LayerFolders {
  readonly #taken = new Map<string, number>();

  nameFor(file: string): string {
    const name = file.replace(/\.[^.]*$/, '') || file;
    const times = (this.#taken.get(name) ?? 0) + 1;
    this.#taken.set(name, times);
    return times === 1 ? name : `${name}-${times}`;
  }
}
