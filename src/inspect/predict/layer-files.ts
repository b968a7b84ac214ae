import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type OutputKind, outputFile, refuseRunFiles } from '../../coordinator/run/output.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { inputPicture } from '../activations/input-picture.ts';
import type { ForwardTrace, LayerActivation } from '../activations/inspector.ts';
import { mapsPicture, type Picture, scaleOf, zoomFor } from '../activations/map-picture.ts';
import { pngOf } from '../report/png.ts';

const SOFTWARE = ['Software', 'Lockstep'] as const;
/** About how many pixels wide a picture is. */
const PICTURE_WIDTH = 480;

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
 * @param sample what was predicted
 * @param inputs the pictures that are read, none of which is replaced
 * @throws UsageError if that fails, or other files than such pictures would be replaced
 */
export async function writeLayers(
  folder: string,
  sample: { readonly values: Uint8Array; readonly shape: Shape },
  { layers }: ForwardTrace,
  inputs: readonly string[],
): Promise<void> {
  const { values, shape } = sample;
  const input = { name: 'input', picture: inputPicture(values, shape, { zoom: zoomFor(shape, PICTURE_WIDTH) }) };
  await makeFolder(folder);
  const pictures = [input, ...layers.map((layer) => ({ name: layer.name, picture: layerPicture(layer) }))];
  const files = pictures.map(({ name, picture }) => ({ picture, file: join(folder, `${name}.png`) }));
  for (const { file } of files) outputFile(file, { option: '--layers', kind: PICTURE, inputs });
  try {
    for (const { picture, file } of files) await replaceFile(file, pngOf(picture, Object.fromEntries([SOFTWARE])));
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

function layerPicture({ shape, values }: LayerActivation): Picture {
  return mapsPicture(values, shape, { scale: scaleOf(values), zoom: zoomFor(shape, PICTURE_WIDTH) });
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
