import type { SavedModel } from '../coordinator/run/saved-model.ts';
import { type ForwardTrace, Inspector } from '../inspect/activations/inspector.ts';
import { refuseOverflow } from '../inspect/activations/overflow.ts';
import { ImageReader } from '../inspect/images/reader.ts';
import type { ReadImage } from '../inspect/images/thread.ts';
import { idxImage } from '../inspect/predict/sources.ts';
import { compileInspector } from '../shared/engine/wasm/exports.ts';

/** An image with the network's activations for it, or the reason why it can't be read. */
export type Predicted = { readonly file: string; readonly index?: number } & (
  | { readonly digit: Uint8Array; readonly trace: ForwardTrace }
  | { readonly problem: string }
);

/** An image that was read but not predicted yet. */
type Named = { readonly file: string; readonly index?: number } & ReadImage;

/**
 * Predicts pictures (PNG or JPEG) in order. A trace is valid until the next one is asked for.
 * @throws CheckpointError if the weights are so large that their sums overflow
 */
export function predictPictures(model: SavedModel, files: readonly string[]): AsyncGenerator<Predicted> {
  return predictAll(model, pictures(files));
}

/**
 * Predicts one image of an IDX file.
 * @param index the image's number, from 0
 * @throws UsageError if the file has no such image or can't be read, CheckpointError if the weights' sums overflow
 */
export function predictIndexed(model: SavedModel, file: string, index: number): AsyncGenerator<Predicted> {
  return predictAll(model, indexed(file, index));
}

async function* predictAll(
  { layout, weights, checkpoint }: SavedModel,
  images: AsyncIterable<Named>,
): AsyncGenerator<Predicted> {
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(weights);
  for await (const image of images) {
    if ('problem' in image) {
      yield image;
      continue;
    }
    const trace = inspector.show(image.digit);
    refuseOverflow([...trace.layers.map(({ values }) => values), trace.probabilities], checkpoint.file);
    yield { ...image, trace };
  }
}

async function* pictures(files: readonly string[]): AsyncGenerator<Named> {
  const reader = new ImageReader(files.length);
  try {
    let next = 0;
    for await (const image of reader.read(files)) yield { file: files[next++] as string, ...image };
  } finally {
    await reader.close();
  }
}

async function* indexed(file: string, index: number): AsyncGenerator<Named> {
  yield { file, index, ...(await idxImage(file, index)) };
}
