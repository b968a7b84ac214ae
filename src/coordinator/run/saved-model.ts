import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { type Checkpoint, type Digests, trainingStateOf, UNKNOWN } from '../../shared/checkpoint/checkpoint.ts';
import { readCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { LATEST } from '../../shared/config/config.ts';
import { trainSchema } from '../../shared/config/schema.ts';
import { MNIST_SHAPE } from '../../shared/data/mnist-files.ts';
import type { Preparation } from '../../shared/data/preparation.ts';
import { DEFAULT_SET, datasetText, namedSetOf, nameOf, standIn } from '../../shared/data/registry.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { type ModelOptions, modelOf } from '../../shared/model/registry.ts';
import { sameShape } from '../../shared/model/shape.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { damaged } from '../../shared/util/safetensors.ts';
import { CHECKPOINTS } from './files.ts';
import { findCheckpoints, findRun, namedPath, runsFolder } from './find.ts';
import { firstIntact, passedOver } from './first-intact.ts';
import { type CheckpointedRun, checkpointedRun, loggedCheckpoint } from './own-checkpoint.ts';

/** A checkpoint with its model. */
export interface SavedModel {
  readonly checkpoint: Checkpoint;
  readonly layout: ModelLayout;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
}

/**
 * @param run the run whose own checkpoint it must be; undefined: it may be any
 * @throws CheckpointError if the file is missing, damaged or of another model, ForeignCheckpointError if it is another run's
 */
export async function openModel(file: string, run?: CheckpointedRun): Promise<SavedModel> {
  const checkpoint = await (run === undefined
    ? readCheckpoint(file)
    : loggedCheckpoint(file, run, modelOf(run.manifest.config)));
  const layout = modelOf(optionsOf(checkpoint));
  const names = checkpoint.classNames?.length ?? layout.classes;
  if (names !== layout.classes) throw damaged(file, `it names ${names} classes, but its model has ${layout.classes}`);
  return { checkpoint, layout, weights: trainingStateOf(checkpoint, layout).weights };
}

export interface FindOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Called with a line for each damaged checkpoint that is passed over. */
  readonly print: Print;
}

/**
 * The model of a checkpoint file, or of the last intact checkpoint of a run.
 * @param named a checkpoint, or a run as `namedPath` takes it; undefined: the newest run
 * @throws CheckpointError if there is none, or it can't be used
 */
export async function findModel(named: string | undefined, { env, print }: FindOptions): Promise<SavedModel> {
  const path = await namedPath(named, env);
  const files = await findCheckpoints(path, runsFolder(env));
  // A checkpoint that is named may be anybody's; those that a run stands for must be its own.
  const run = files[0] === path ? undefined : await checkpointedRun(dirname(dirname(files[0])));
  const open = (file: string): Promise<SavedModel> => openModel(file, run);
  // What is wrong with the last one left is an error.
  return (await firstIntact(files.slice(0, -1), open, passedOver(print))) ?? open(files.at(-1) as string);
}

export interface ModelFlags {
  readonly run?: string | undefined;
  readonly checkpoint?: string | undefined;
}

/**
 * The model that --run or --checkpoint names, or the newest run's.
 * @throws UsageError if --run isn't a run directory, CheckpointError as `findModel` does
 */
export async function flaggedModel({ run, checkpoint }: ModelFlags, options: FindOptions): Promise<SavedModel> {
  if (checkpoint !== undefined || run === undefined || run === LATEST) return findModel(checkpoint, options);
  const path = await findRun(run, options.env, "To use a checkpoint's weights: --checkpoint.");
  return findModel(path, options);
}

/** The name of the data set of these digests; `other` if it isn't in the registry, `unknown` for imported weights. */
export function trainedOn({ dataset }: Digests): string {
  return nameOf(dataset) ?? (dataset === UNKNOWN ? 'unknown' : 'other');
}

const NOTES: Readonly<Record<string, string>> = {
  other: `These weights were trained on another set than ${DEFAULT_SET.title}.`,
  unknown: 'These weights were imported; what they were trained on is not known.',
};

/** A note for users about weights that could be the default set's but weren't trained on it. */
export function noteOn({ checkpoint, layout }: SavedModel): string | undefined {
  const dataset = trainedOn(checkpoint.digests);
  if (standIn(dataset) !== undefined) return `These weights were trained on ${datasetText(dataset)}.`;
  // Nobody takes a network for other samples for one that knows the default set.
  return dataset === 'other' && !sameShape(layout.input, MNIST_SHAPE) ? undefined : NOTES[dataset];
}

/** How samples like a model's training set's are made. Imported weights for samples of MNIST's shape are taken to know drawings. */
export function preparationOf({ checkpoint, layout }: SavedModel): Preparation | undefined {
  const { preparation, digests } = checkpoint;
  if (preparation !== undefined) return preparation;
  const isImported = digests.dataset === UNKNOWN && sameShape(layout.input, MNIST_SHAPE);
  return (isImported ? DEFAULT_SET : namedSetOf(digests.dataset))?.preparation;
}

/** @throws UsageError if the model was trained on floats: what a picture is on their scale isn't known */
export function refuseFloats({ checkpoint: { inputs, file, preparation } }: SavedModel): void {
  if (inputs === undefined) return;
  if (preparation?.kind === 'features') {
    const { layer, network } = preparation;
    throw new UsageError(
      `The weights of ${file} were trained on the features ${layer} of the network ${network.file} (SHA-256 ${network.sha256}). ` +
        'To predict pictures, name that file: predict --features FILE.',
    );
  }
  throw new UsageError(
    `The weights of ${file} were trained on inputs of floats, and on what scale a picture would have to be isn't known. ` +
      'Train on a packed data set of bytes (U8) to use pictures, or export the model and prepare its inputs yourself.',
  );
}

/** The name of the run in whose directory a checkpoint is; undefined if it is somewhere else. */
export function runOf({ file }: Checkpoint): string | undefined {
  const folder = dirname(file);
  return basename(folder) === CHECKPOINTS ? basename(dirname(folder)) : undefined;
}

const { model, head, rbfJ, freeze, labelSmoothing, classWeights } = trainSchema.shape;
const OPTIONS = { model, head, rbfJ, freeze, labelSmoothing, classWeights };

function optionsOf({ file, config }: Checkpoint): ModelOptions {
  const parsed = z.object(OPTIONS).safeParse(config);
  if (parsed.success) return parsed.data;
  throw new CheckpointError(
    `The checkpoint ${file} has a config that this version can't use (${parsed.error.issues[0]?.path.join('.')}). ` +
      'Use the version of Lockstep that wrote it.',
    { file, cause: parsed.error },
  );
}
