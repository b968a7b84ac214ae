import type { SavedModel } from '../coordinator/run/saved-model.ts';
import { type ForwardTrace, Inspector } from '../inspect/activations/inspector.ts';
import { ImageReader } from '../inspect/images/reader.ts';
import type { ReadImage } from '../inspect/images/thread.ts';
import { idxImage } from '../inspect/predict/sources.ts';
import { compileInspector } from '../shared/engine/wasm/exports.ts';
import { CheckpointError } from '../shared/util/errors.ts';

/** An image with what the network makes of it, or why it can't be read. */
export type Predicted = { readonly file: string; readonly index?: number } & (
  | { readonly digit: Uint8Array; readonly trace: ForwardTrace }
  | { readonly problem: string }
);

/** An image before it is predicted. */
type Named = { readonly file: string; readonly index?: number } & ReadImage;

/**
 * Predicts pictures (PNG or JPEG) in their order. A trace holds until the next one.
 * @throws CheckpointError if the weights are so large that their sums overflow
 */
export function predictPictures(model: SavedModel, files: readonly string[]): AsyncGenerator<Predicted> {
  return predictAll(model, pictures(files));
}

/** Predicts one image of an IDX file, the first being 0. @throws UsageError, CheckpointError */
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
    refuseOverflow(trace, checkpoint.file);
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

function refuseOverflow({ probabilities }: ForwardTrace, file: string): void {
  if (probabilities.every(Number.isFinite)) return;
  throw new CheckpointError(
    `${file} holds weights whose sums overflow: expected probabilities, but they are ${probabilities[0]}. Use other weights.`,
    { file },
  );
}
