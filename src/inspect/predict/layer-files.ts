import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MNIST_SHAPE } from '../../shared/data/mnist-files.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import type { ForwardTrace } from '../activations/inspector.ts';
import { mapsPicture, scaleOf, zoomFor } from '../activations/map-picture.ts';
import { pngOf } from '../report/png.ts';

/** About how many pixels wide a picture is. */
const PICTURE_WIDTH = 480;

interface NamedMaps {
  readonly name: string;
  readonly shape: Shape;
  readonly values: Float32Array;
}

/** @throws UsageError if the folder can't be made */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true }).catch((error: Error) => {
    throw unwritable(folder, error);
  });
}

/**
 * Writes input.png and a picture for each layer into `folder`, which is made.
 * @throws UsageError if that fails
 */
export async function writeLayers(folder: string, digit: Uint8Array, { layers }: ForwardTrace): Promise<void> {
  const input = { name: 'input', shape: MNIST_SHAPE, values: Float32Array.from(digit, (byte) => byte / 255) };
  await makeFolder(folder);
  try {
    for (const maps of [input, ...layers]) await replaceFile(join(folder, `${maps.name}.png`), layerPng(maps));
  } catch (error) {
    throw unwritable(folder, error as Error);
  }
}

function unwritable(folder: string, error: Error): UsageError {
  return new UsageError(
    `--layers: the pictures can't be written to ${folder} (${error.message}). Name a folder that can be written.`,
    { cause: error },
  );
}

function layerPng({ shape, values }: NamedMaps): Uint8Array {
  return pngOf(mapsPicture(values, shape, { scale: scaleOf(values), zoom: zoomFor(shape, PICTURE_WIDTH) }));
}

/** Folders for the layers of several images, by the files' names; equal ones get a number. */
export class LayerFolders {
  readonly #taken = new Set<string>();

  nameFor(file: string): string {
    const name = file.replace(/\.[^.]*$/, '') || file;
    let free = name;
    for (let times = 2; this.#taken.has(free); times++) free = `${name}-${times}`;
    this.#taken.add(free);
    return free;
  }
}
