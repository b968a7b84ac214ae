import { ModelError, UsageError } from '../util/errors.ts';
import { headOf } from './kinds.ts';
import { layoutOf, type ModelLayout } from './layout.ts';
import { type DataShape, parseModel } from './parse.ts';
import { lenet5 } from './presets/lenet5.ts';
import { lenet5Relu } from './presets/lenet5-relu.ts';
import { mlp } from './presets/mlp.ts';
import type { Preset, PresetOptions } from './presets/preset.ts';
import { resnet8, resnet20 } from './presets/resnet.ts';
import { vggSmall } from './presets/vgg-small.ts';
import { shapeText } from './shape.ts';
import type { ModelSpec } from './spec.ts';
import type { TrainingLoss } from './training-loss.ts';

/** The models that have names. */
export const PRESETS: readonly Preset[] = [lenet5, lenet5Relu, mlp, vggSmall, resnet8, resnet20];

export const DEFAULT_MODEL = lenet5.name;

/** The model of a new run that names none: LeNet-5 where it fits, else a residual net for pictures, and a perceptron for tables. */
export function defaultModelFor({ maps, height, width, targets = 'uint16' }: ModelData): string {
  const own = lenet5.data;
  const fits = maps === own.maps && height === own.height && width === own.width && targets === 'uint16';
  if (fits) return lenet5.name;
  return height * width > 1 ? resnet8.name : mlp.name;
}

/** In place of class weights: those by which every class counts as much as the others. */
export const BALANCED = 'balanced';

/** The options of a run that decide its model; a run's config has them. */
export interface ModelOptions extends PresetOptions {
  /** A preset's name, or a spec; the default model if absent, as in runs of version 0.1.0. */
  readonly model?: string | ModelSpec | undefined;
  /** Names of layers that aren't trained, separated by commas. */
  readonly freeze?: string | undefined;
  readonly labelSmoothing?: number | undefined;
  /** Numbers separated by commas, or `balanced` before the samples are known. */
  readonly classWeights?: string | undefined;
}

/** A data set, as far as it decides whether a model fits. */
export interface ModelData extends DataShape {
  readonly name?: string;
}

/**
 * The layout of a run's model.
 * @param dataset what the model is trained or tried on, if that is known
 * @throws ModelError if there is no such model, or if the data set's samples or classes aren't those that it takes; UsageError if its
 * head doesn't take the options of the loss
 */
export function modelOf(options: ModelOptions, dataset?: ModelData): ModelLayout {
  const base = layoutOf(specOf(options, dataset), options.freeze?.split(','));
  const layout = { ...base, ...lossOf(options, base) };
  if (dataset !== undefined) checkFits(layout, dataset);
  return layout;
}

function lossOf({ labelSmoothing = 0, classWeights }: ModelOptions, { classes }: ModelLayout): { loss?: TrainingLoss } {
  if (labelSmoothing === 0 && classWeights === undefined) return {};
  if (classWeights === undefined) return { loss: { labelSmoothing } };
  // A program for weights that aren't known yet takes as much memory, and the same operations.
  const isOpen = classWeights === BALANCED;
  const weights = isOpen ? new Array<number>(classes).fill(1) : classWeights.split(',').map(Number);
  return { loss: { labelSmoothing, classWeights: weights } };
}

export function isPreset(model: string): boolean {
  return PRESETS.some(({ name }) => name === model);
}

/** Data that a preset is made for; undefined for other models. */
export function typicalData(model: ModelOptions['model'] = DEFAULT_MODEL): DataShape | undefined {
  return PRESETS.find(({ name }) => name === model)?.data;
}

/** The spec, complete. A preset's head is for numbers if the data set's targets are. @throws ModelError likewise */
export function specOf({ model = DEFAULT_MODEL, ...options }: ModelOptions, data?: ModelData): ModelSpec {
  if (typeof model !== 'string') return model;
  const preset = PRESETS.find(({ name }) => name === model);
  if (preset !== undefined) {
    const spec = preset.spec(data, options) as { readonly head?: unknown };
    const takesNumbers = options.head === 'mse' || data?.targets === 'float32';
    const isNumbers = takesNumbers && (spec.head ?? 'softmax') === 'softmax';
    return parseModel(isNumbers ? { ...spec, head: 'mse' } : spec, data, preset.name);
  }
  const known = PRESETS.map(({ name }) => name).join(', ');
  throw new ModelError(`There is no model ${model}. The models are ${known}; a file of another one ends in .json.`);
}

/**
 * @throws ModelError if a data set's samples or classes aren't those that a model takes, UsageError if its head doesn't take its
 * training loss
 */
export function checkFits(layout: ModelLayout, dataset: ModelData): void {
  const { spec, input, classes } = layout;
  const isClass = headOf(spec.head).targetKind === 'class';
  const expected = sampleText({ ...input, classes }, isClass);
  const actual = sampleText(dataset, (dataset.targets ?? (isClass ? 'uint16' : 'float32')) === 'uint16');
  if (actual !== expected)
    throw new ModelError(
      `The model ${spec.name} expects ${expected}, but the data set${dataset.name ? ` ${dataset.name}` : ''} has ${actual}. ` +
        'Use a data set of that shape, or another --model.',
    );
  checkLoss(layout);
}

function checkLoss({ spec: { name, head }, loss, classes }: ModelLayout): void {
  if (loss === undefined) return;
  const option = loss.classWeights === undefined ? '--label-smoothing' : '--class-weights';
  if (headOf(head).takesLoss !== true)
    throw new UsageError(
      `${option}: expected a model with the head softmax, but ${name} has the head ${head.kind}. Leave the option out.`,
    );
  const own = ['labelSmoothing', 'classWeights'].find((field) => field in head);
  if (own !== undefined)
    throw new UsageError(
      `${option}: expected a head without a ${own} of its own, but that of ${name} has one. Take it out, or leave the option out.`,
    );
  const weights = loss.classWeights?.length ?? classes;
  if (weights === classes) return;
  throw new UsageError(
    `${option}: expected ${classes} numbers, one for each class as \`lockstep data\` lists them, but got ${weights}. Give one for each, or balanced.`,
  );
}

function sampleText(shape: DataShape, isClass: boolean): string {
  return `samples of ${shapeText(shape)} ${isClass ? `in ${shape.classes} classes` : `with ${shape.classes} numbers each`}`;
}
