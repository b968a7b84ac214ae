import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type OutputKind, outputFile, refuseRunFiles } from '../../coordinator/run/output.ts';
import { MNIST_SHAPE } from '../../shared/data/mnist-files.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import type { ForwardTrace } from '../activations/inspector.ts';
import { mapsPicture, scaleOf, zoomFor } from '../activations/map-picture.ts';
import { pngOf } from '../report/png.ts';

const SOFTWARE = ['Software', 'Lockstep'] as const;
/** About how many pixels wide a picture is. */
const PICTURE_WIDTH = 480;

interface NamedMaps {
  readonly name: string;
  readonly shape: Shape;
  readonly values: Float32Array;
}

/** A picture of a layer, by which an earlier one is known: its encoder writes texts last. */
const PICTURE: OutputKind = {
  title: "a layer's picture of Lockstep",
  isOwn: (ends) => ends.includes(`tEXt${SOFTWARE.join('\0')}`),
};

/** @throws UsageError if the folder can't be made, or is where a run has its own files */
export async function makeFolder(folder: string): Promise<void> {
  refuseRunFiles(folder, '--layers');
  await mkdir(folder, { recursive: true }).catch((error: Error) => {
    throw unwritable(folder, error);
  });
}

/**
 * Writes input.png and a picture for each layer into `folder`, which is made.
 * @param inputs the pictures that are read, none of which is replaced
 * @throws UsageError if that fails, or other files than such pictures would be replaced
 */
export async function writeLayers(
  folder: string,
  digit: Uint8Array,
  { layers }: ForwardTrace,
  inputs: readonly string[],
): Promise<void> {
  const input = { name: 'input', shape: MNIST_SHAPE, values: Float32Array.from(digit, (byte) => byte / 255) };
  await makeFolder(folder);
  const files = [input, ...layers].map((maps) => ({ maps, file: join(folder, `${maps.name}.png`) }));
  for (const { file } of files) outputFile(file, { option: '--layers', kind: PICTURE, inputs });
  try {
    for (const { maps, file } of files) await replaceFile(file, layerPng(maps));
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
  const picture = mapsPicture(values, shape, { scale: scaleOf(values), zoom: zoomFor(shape, PICTURE_WIDTH) });
  return pngOf(picture, Object.fromEntries([SOFTWARE]));
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
