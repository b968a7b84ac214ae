// lockstep predict seven.png                       by the newest run's last checkpoint
// lockstep predict scans/ --json --run runs/first  every picture of a folder
// lockstep predict t10k-images-idx3-ubyte --index 7 --layers seven
import { basename, join } from 'node:path';
import { flaggedModel, noteOn, type SavedModel, trainedOn } from '../../coordinator/run/saved-model.ts';
import { type ForwardTrace, Inspector } from '../../inspect/activations/inspector.ts';
import { ImageReader } from '../../inspect/images/reader.ts';
import type { ReadImage } from '../../inspect/images/thread.ts';
import { LayerFolders, makeFolder, writeLayers } from '../../inspect/predict/layer-files.ts';
import { idxImage, pictureFiles } from '../../inspect/predict/sources.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { compileInspector } from '../../shared/engine/wasm/exports.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { JsonOutput, nameOf, type Output, type Source, TextOutput } from '../predict/output.ts';

interface Flags {
  readonly index?: string;
  readonly run?: string;
  readonly checkpoint?: string;
  /** True where no folder is named. */
  readonly layers?: string | true;
}

/** An image before it is predicted. */
type Named = { readonly file: string; readonly index?: number } & ReadImage;

const DEFAULT_LAYERS = 'layers';
const PICTURE = /\.(png|jpe?g)$/i;

/**
 * `lockstep predict IMAGE…`: which digit each picture shows, by a checkpoint's weights.
 * @returns 1 where a picture couldn't be read: the others are predicted all the same
 */
export async function predict(paths: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { index, run, checkpoint, layers, ...others } = flags as Flags & Record<string, unknown>;
  const { json } = resolveReadConfig({ flags: others, env: process.env });
  const folder = layersFolder(layers);
  const model = await flaggedModel({ run, checkpoint });
  const inspector = new Inspector(compileInspector(), model.layout);
  inspector.setWeights(model.weights);
  const given = paths.map((path) => callerPath(path, process.env));
  const files = index === undefined ? await pictureFiles(given) : given;
  const images = index === undefined ? pictures(files) : [await indexed(files, index)];
  const source = sourceOf(model);
  const note = noteOn(source.dataset);
  if (note !== undefined) print(`Note: ${note}`);
  if (folder !== undefined) await makeFolder(folder);
  const output = json ? new JsonOutput(source) : new TextOutput(files.length);
  const predicting = { inspector, checkpoint: source.checkpoint, output, folder, several: files.length > 1 };
  return (await predictAll(images, predicting)) ? 0 : 1;
}

export function sourceOf({ checkpoint, weights }: SavedModel): Source {
  return {
    checkpoint: checkpoint.file,
    step: checkpoint.step,
    weightsSha256: weightsSha256(weights),
    dataset: trainedOn(checkpoint.digests),
  };
}

/** @throws CheckpointError where weights are so large that their sums aren't numbers */
function refuseOverflow({ probabilities }: ForwardTrace, file: string): void {
  if (probabilities.every(Number.isFinite)) return;
  throw new CheckpointError(
    `${file} holds weights whose sums overflow: expected probabilities, but they are ${probabilities[0]}. Use other weights.`,
    { file },
  );
}

interface Predicting {
  readonly inspector: Inspector;
  /** The file that its weights come from. */
  readonly checkpoint: string;
  readonly output: Output;
  /** Where the layers' pictures go; undefined: nowhere. */
  readonly folder: string | undefined;
  readonly several: boolean;
}

/** @returns whether every image could be read */
async function predictAll(
  images: AsyncIterable<Named> | Iterable<Named>,
  { inspector, checkpoint, output, folder, several }: Predicting,
): Promise<boolean> {
  const folders = new LayerFolders();
  let failures = 0;
  for await (const image of images) {
    if ('problem' in image) {
      failures++;
      print(`${nameOf(image)}: ${image.problem}.`);
      output.image(image);
      continue;
    }
    const trace = inspector.show(image.digit);
    refuseOverflow(trace, checkpoint);
    output.image({ ...image, ...trace });
    if (folder === undefined) continue;
    const target = several ? join(folder, folders.nameFor(basename(image.file))) : folder;
    await writeLayers(target, image.digit, trace);
    print(`The layers of ${nameOf(image)}: ${shownPath(target)}`);
  }
  output.end();
  return failures === 0;
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

async function indexed([file, ...more]: readonly string[], text: string): Promise<Named> {
  const index = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(index)) {
    throw new UsageError(`--index: expected the number of an image, from 0 on, but got ${text}.`);
  }
  if (file === undefined || more.length > 0) {
    throw new UsageError(`--index: expected one IDX file, such as t10k-images-idx3-ubyte, but got ${more.length + 1}.`);
  }
  return { file, index, ...(await idxImage(file, index)) };
}

function layersFolder(layers: string | true | undefined): string | undefined {
  if (typeof layers === 'string' && PICTURE.test(layers)) {
    throw new UsageError(`--layers takes what follows for its folder, here ${layers}: put the pictures first.`);
  }
  return layers === undefined ? undefined : callerPath(layers === true ? DEFAULT_LAYERS : layers, process.env);
}

function print(line: string): void {
  process.stderr.write(`${line}\n`);
}
