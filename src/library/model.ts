import type { Resumed } from '../coordinator/run/resume.ts';
import type { FindOptions } from '../coordinator/run/saved-model.ts';
import { initialState } from '../coordinator/run/start.ts';
import { readModelFile } from '../inspect/import/read-model.ts';
import { weightsFor } from '../inspect/import/weights.ts';
import type { TrainingState } from '../shared/checkpoint/checkpoint.ts';
import { isByScore } from '../shared/checkpoint/validation-state.ts';
import { isSameOption } from '../shared/config/compare-options.ts';
import type { ResolvedTrainConfig, TrainConfig } from '../shared/config/config.ts';
import { flagOf } from '../shared/config/schema.ts';
import type { ReadingKey, ReadingOptions } from '../shared/data/source.ts';
import { headOf } from '../shared/model/kinds.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import { type DataShape, parseModel } from '../shared/model/parse.ts';
import {
  DEFAULT_MODEL,
  defaultModelFor,
  isPreset,
  type ModelData,
  modelOf,
  specOf,
  typicalData,
} from '../shared/model/registry.ts';
import type { ModelSpec } from '../shared/model/spec.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';
import { shownPath } from '../shared/util/shown-path.ts';

/** The most tensors that a warning names. */
const LISTED = 4;

/**
 * A new run's config with its model spelled out.
 * @throws ModelError if it can't be used, or doesn't fit the data set
 */
export async function withModel(config: TrainConfig, data: ModelData, print: Print): Promise<TrainConfig> {
  return { ...config, model: await specFor(config, data, print) };
}

/** The model that a config names. @throws ModelError if it can't be used */
export async function specFor(config: TrainConfig, data: ModelData | undefined, print: Print): Promise<ModelSpec> {
  const { model } = config;
  if (model === undefined && data !== undefined) {
    const own = defaultModelFor(data);
    if (own !== DEFAULT_MODEL) print(`Model: ${own}, by the shape of the data. --model names another.`);
    return specOf({ ...config, model: own }, data);
  }
  if (typeof model !== 'string' || isPreset(model)) return specOf(config, data);
  const { spec, warnings } = await readModelFile(model);
  for (const line of warnings) print(line, 'warn');
  return parseModel(spec, data, shownPath(model));
}

/** How a run's data set is read: by its options, and by what its model takes. */
export async function readingOf({ config, explicit }: ResolvedTrainConfig): Promise<ReadingOptions> {
  const { testSplit, target, resize, model } = config;
  const head = explicit.has('head') ? config.head : undefined;
  const own = { testSplit, target, resize, ...(head && { head }) };
  if (model === undefined) return own;
  if (typeof model === 'string' && isPreset(model)) return { ...own, input: inputOf(typicalData(model)) };
  const spec = typeof model === 'string' ? (await readModelFile(model)).spec : model;
  const has = (field: string): boolean => typeof spec === 'object' && spec !== null && field in spec;
  // What a spec leaves to the data set is filled in by something, and not used.
  const parsed = parseModel(spec, { maps: 1, height: 1, width: 1, classes: 1 }, modelText(model));
  const ownHead = has('head') ? parsed.head.kind : undefined;
  if (head !== undefined && head !== ownHead && (ownHead !== undefined || head === 'rbf')) {
    throw new UsageError(
      `${flagOf('head')}: expected the head of ${modelText(model)}, ${ownHead ?? 'softmax or mse'}, but got ${head}. Leave the option out.`,
    );
  }
  return { ...own, ...(ownHead && { head: ownHead }), ...(has('input') ? { input: parsed.input } : {}) };
}

/** The same for a model whose layout is known. */
export function readingFor(
  { input, spec }: ModelLayout,
  options: Pick<ReadingOptions, ReadingKey> = {},
): ReadingOptions {
  return { ...options, input, head: spec.head.kind };
}

function inputOf(data: DataShape | undefined): ReadingOptions['input'] {
  return data && { maps: data.maps, height: data.height, width: data.width };
}

function modelText(model: string | ModelSpec): string {
  return typeof model === 'string' ? shownPath(model) : model.name;
}

/**
 * The weights that --init names: a checkpoint's, or those of a file of another program.
 * @throws CheckpointError, ModelError or UsageError if they can't be read or are another model's
 */
export async function initialWeightsOf(config: TrainConfig, options: FindOptions): Promise<TrainingState | undefined> {
  const { init } = config;
  if (init === undefined || !isForeign(init)) return initialState(config, options);
  const layout = modelOf(config);
  const { weights, defaults, unused } = await weightsFor(layout, init);
  const print = (line: string): void => options.print(line, 'warn');
  if (defaults.length > 0) print(`${shownPath(init)} has no ${listText(defaults)}: they begin as in a new model.`);
  if (unused.length > 0)
    print(`${shownPath(init)} has ${listText(unused)}, which the model doesn't: they are left out.`);
  const zeros = (): Float32Array => new Float32Array(layout.parameters);
  return { weights, optimizer: { m: zeros(), v: zeros() } };
}

/** A file that isn't a checkpoint, by its name: those are called step-….safetensors. */
function isForeign(path: string): boolean {
  return /\.(onnx|json|keras)$/.test(path) || (path.endsWith('.safetensors') && !/step-\d+\.safetensors$/.test(path));
}

/** @throws UsageError if --keep-best goes by a figure that a model of this kind doesn't have */
export function refuseOtherMetric({ keepBest }: TrainConfig, { spec }: ModelLayout): void {
  const own = headOf(spec.head).hasAccuracy ? 'validation-accuracy' : 'validation-r2';
  if (!isByScore(keepBest) || keepBest === own) return;
  throw new UsageError(
    `${flagOf('keepBest')}: the model ${spec.name} doesn't have ${keepBest}. Use ${own} or validation-loss.`,
  );
}

function listText(names: readonly string[]): string {
  const more = names.length - LISTED;
  return names.slice(0, LISTED).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** @throws UsageError if a resumed run was given another model than its own */
export async function refuseOtherModel(
  { givenModel, manifest }: Resumed,
  data: ModelData,
  print: Print,
): Promise<void> {
  if (givenModel === undefined) return;
  const { config } = manifest;
  const given = await withModel({ ...config, model: givenModel }, data, print);
  if (isSameOption('model', given, config)) return;
  throw new UsageError(
    `${flagOf('model')}: a resumed run keeps its model, ${specOf(config, data).name}, but another one was given. Leave it out.`,
  );
}
