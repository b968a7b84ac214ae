import { extname } from 'node:path';
import { preparationOf, refuseFloats, type SavedModel } from '../coordinator/run/saved-model.ts';
import { type ForwardTrace, Inspector } from '../inspect/activations/inspector.ts';
import { refuseOverflow } from '../inspect/activations/overflow.ts';
import { type Prepared, pictureProblem } from '../inspect/images/prepare.ts';
import type { ImageTask } from '../inspect/images/thread.ts';
import { idxImage, type SampleForm } from '../inspect/predict/sources.ts';
import { compileInspector } from '../shared/engine/wasm/exports.ts';
import { DecodingPool } from '../shared/pictures/pool.ts';
import { UsageError } from '../shared/util/errors.ts';

/** An image with the network's activations for it, or the reason why it can't be read. */
export type Predicted = { readonly file: string; readonly index?: number } & (
  | { readonly sample: Uint8Array; readonly trace: ForwardTrace }
  | { readonly problem: string }
);

/** A picture's file; or its bytes, and what it is called in messages. */
export type Picture = Pick<ImageTask, 'file' | 'bytes'>;

/** An image that was read but not predicted yet. */
type Named = { readonly file: string; readonly index?: number } & Prepared;

/**
 * Predicts pictures (PNG, JPEG, WebP, GIF, TIFF) in order, made samples as those of the training set were.
 * @throws UsageError if no picture can be a sample of the model, or it was trained on floats, CheckpointError if the weights are so large that their sums overflow,
 * PackageError if no picture can be decoded here
 */
export function predictPictures(model: SavedModel, pictured: readonly Picture[]): AsyncGenerator<Predicted> {
  refuseFloats(model);
  const preparation = preparationOf(model);
  const { input, spec } = model.layout;
  const problem = pictureProblem(input);
  if (problem !== undefined) throw new UsageError(`${spec.name}: ${problem}. Use the weights of another network.`);
  return predictAll(model, pictures(pictured.map((picture) => ({ ...picture, input, preparation }))));
}

/**
 * Predicts one image of an IDX file.
 * @param index the image's number, from 0
 * @throws UsageError if the file has no such image or can't be read, or if the model was trained on floats, CheckpointError if the weights' sums overflow
 */
export function predictIndexed(model: SavedModel, file: string, index: number): AsyncGenerator<Predicted> {
  refuseFloats(model);
  return predictAll(model, indexed(file, index, { input: model.layout.input, preparation: preparationOf(model) }));
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
    const trace = inspector.show(image.sample);
    refuseOverflow(
      [...trace.layers.map(({ values }) => values), trace.probabilities ?? trace.outputs],
      checkpoint.file,
    );
    yield { ...image, trace };
  }
}

/** Pictures as samples, in order. @throws PackageError if no picture can be decoded here */
export async function* pictures(tasks: readonly ImageTask[]): AsyncGenerator<Named> {
  const thread = new URL(`../inspect/images/thread${extname(import.meta.url)}`, import.meta.url).href;
  const pool = new DecodingPool<ImageTask, Prepared>({ filename: thread, name: 'readImage' }, tasks.length);
  try {
    let next = 0;
    for await (const image of pool.run(tasks, (_, problem) => ({ problem }))) {
      yield { file: (tasks[next++] as ImageTask).file, ...image };
    }
  } finally {
    await pool.close();
  }
}

async function* indexed(file: string, index: number, form: SampleForm): AsyncGenerator<Named> {
  yield { file, index, ...(await idxImage(file, index, form)) };
}
