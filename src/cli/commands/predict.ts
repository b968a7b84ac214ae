// lockstep predict seven.png                       with the newest run's last checkpoint
// lockstep predict scans/ --json --run runs/first  every picture of a folder
// lockstep predict new.csv --data penguins.safetensors      the rows of a table
// lockstep predict rose.jpg --features resnet50.onnx        by the features that a head was trained on
// lockstep predict t10k-images-idx3-ubyte --index 7 --layers seven
import { basename, dirname, extname, join } from 'node:path';
import { recordedData } from '../../coordinator/run/list.ts';
import { flaggedModel, noteOn, type SavedModel, trainedOn } from '../../coordinator/run/saved-model.ts';
import { LayerFolders, makeFolder, writeLayers } from '../../inspect/predict/layer-files.ts';
import { hiddenText, pictureFiles } from '../../inspect/predict/sources.ts';
import { type Predicted, predictIndexed, predictPictures } from '../../library/predict.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { keptName } from '../../shared/data/identify.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { ENDINGS } from '../../shared/pictures/formats.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { JsonOutput, nameOf, type Output, type Source, TextOutput } from '../predict/output.ts';
import { areTables, predictTables } from '../predict/table.ts';
import { print } from '../print.ts';

interface Flags {
  readonly index?: string;
  readonly features?: string;
  readonly run?: string;
  readonly checkpoint?: string;
  /** True if no folder is named. */
  readonly layers?: string | true;
}

const DEFAULT_LAYERS = 'layers';

/**
 * `lockstep predict IMAGE…`: predicts each picture by a checkpoint's weights.
 * @returns the exit code: 1 if a picture couldn't be read; the others are predicted nevertheless
 */
export async function predict(paths: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { index, features, run, checkpoint, layers, ...others } = flags as Flags & Record<string, unknown>;
  const { json, data } = resolveReadConfig({ flags: others, env: process.env });
  const folder = layersFolder(layers);
  const model = await flaggedModel({ run, checkpoint }, { env: process.env, print });
  const source = await sourceOf(model);
  const given = paths.map((path) => callerPath(path, process.env));
  if (features !== undefined && (index !== undefined || folder !== undefined))
    throw new UsageError(
      '--index and --layers are for networks that take pictures, and --features for heads: leave them out.',
    );
  if (areTables(given)) {
    if (index !== undefined || folder !== undefined || features !== undefined)
      throw new UsageError('--index, --layers and --features are for pictures: leave them out.');
    return (await predictTables(model, given, { data, json, source })) ? 0 : 1;
  }
  const files = index === undefined ? await pictureFiles(given, printHidden) : given;
  if (features !== undefined) {
    const { predictByFeatures } = await import('../predict/features.ts');
    const options = { features: callerPath(features, process.env), json, source };
    return (await predictByFeatures(model, files, options)) ? 0 : 1;
  }
  const pictures = files.map((file) => ({ file }));
  const images = index === undefined ? predictPictures(model, pictures) : indexed(model, files, index);
  const note = noteOn(model);
  if (note !== undefined) print(`Note: ${note}`);
  if (folder !== undefined) await makeFolder(folder);
  const { input } = model.layout;
  const { classNames } = model.checkpoint;
  const output = json ? new JsonOutput(source, classNames) : new TextOutput(files.length, input, classNames);
  return (await printAll(images, { output, folder, files, input })) ? 0 : 1;
}

function printHidden(folder: string, count: number): void {
  print(`Passed over ${hiddenText(count)} in ${shownPath(folder)}.`);
}

/** The description of the weights that predictions come from. */
async function sourceOf({ checkpoint, weights }: SavedModel): Promise<Source> {
  const { dataset } = checkpoint.digests;
  const known = trainedOn(checkpoint.digests);
  const recorded = known === 'other' ? await recordedData(dirname(dirname(checkpoint.file))) : undefined;
  return {
    checkpoint: checkpoint.file,
    step: checkpoint.step,
    weightsSha256: weightsSha256(weights),
    dataset: recorded === undefined ? known : keptName(dataset, recorded.name),
  };
}

interface Printing {
  readonly output: Output;
  /** The folder of the layers' pictures; undefined if they aren't written. */
  readonly folder: string | undefined;
  readonly files: readonly string[];
  /** Samples of the model. */
  readonly input: Shape;
}

/** @returns whether every image could be read */
async function printAll(
  images: AsyncIterable<Predicted>,
  { output, folder, files, input }: Printing,
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
    const { trace, sample } = image;
    output.image({ ...image, ...trace });
    if (folder === undefined) continue;
    const target = files.length > 1 ? join(folder, folders.nameFor(basename(image.file))) : folder;
    await writeLayers(target, { values: sample, shape: input }, trace, files);
    print(`The layers of ${nameOf(image)}: ${shownPath(target)}`);
  }
  output.end();
  return failures === 0;
}

function indexed(model: SavedModel, [file, ...more]: readonly string[], text: string): AsyncIterable<Predicted> {
  const index = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(index)) {
    throw new UsageError(`--index: expected the number of an image, counted from 0, but got ${text}.`);
  }
  if (file === undefined || more.length > 0) {
    throw new UsageError(`--index: expected one IDX file, such as t10k-images-idx3-ubyte, but got ${more.length + 1}.`);
  }
  return predictIndexed(model, file, index);
}

function layersFolder(layers: string | true | undefined): string | undefined {
  if (typeof layers === 'string' && ENDINGS.has(extname(layers).toLowerCase())) {
    throw new UsageError(`--layers takes the next argument as its folder, here ${layers}: put the pictures first.`);
  }
  return layers === undefined ? undefined : callerPath(layers === true ? DEFAULT_LAYERS : layers, process.env);
}
