import { z } from 'zod';
import { encodeCheckpoint, UNKNOWN, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { MODEL_OPTIONS } from '../../shared/config/model-options.ts';
import { layoutOf, type ModelLayout } from '../../shared/model/layout.ts';
import { parseModel } from '../../shared/model/parse.ts';
import { type ModelOptions, modelOf, specOf } from '../../shared/model/registry.ts';
import type { ModelSpec } from '../../shared/model/spec.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { CheckpointError, ModelError } from '../../shared/util/errors.ts';
import { parseJson } from '../../shared/util/json.ts';
import { decodeSafetensors, type TensorFile } from '../../shared/util/safetensors.ts';
import { type Origin, originIn } from './metadata.ts';
import { refuseNotFinite } from './network.ts';

/** Above 15 million parameters. */
export const MAX_FILE_BYTES = 1 << 26;

export interface ImportedWeights extends Origin {
  readonly layout: ModelLayout;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
  /**
   * `kept`: the very weights that the file's metadata name, whose step and config hold. `changed`: others than those.
   * `none`: the file names no checkpoint.
   */
  readonly origin: 'kept' | 'changed' | 'none';
}

const { model, head, rbfJ } = MODEL_OPTIONS;
const ModelConfig = z.object({ model, head, rbfJ });

/**
 * A model's weights from a safetensors file, whoever wrote it; `file` is the name that errors give. The metadata's `spec` is the
 * model; without one it is LeNet-5.
 * @throws CheckpointError if a name, shape, type or value isn't what the model has
 */
export function decodeWeights(bytes: Uint8Array, file: string): ImportedWeights {
  const contents = decodeSafetensors(bytes, file, unusable);
  const { metadata } = contents;
  const named = originIn(metadata);
  const options = optionsOf(contents, named, file);
  const layout = modelOf(options);
  checkNetwork(contents, layout, file);
  const weights = new Float32Array(layout.parameters);
  for (const { name, offset } of layout.tensors) weights.set(contents.tensors.get(name)?.data ?? [], offset);
  refuseNotFinite(layout, weights, file);
  const isKept = isOf(named, layout) && metadata.weightsSha256 === weightsSha256(weights);
  if (named !== undefined && isKept) return { ...named, layout, weights, origin: 'kept' };
  const unknown = { step: 0, config: { ...options }, digests: { dataset: UNKNOWN, numerics: UNKNOWN } };
  return { ...unknown, layout, weights, origin: named === undefined ? 'none' : 'changed' };
}

/** The options of a run of the file's model. */
function optionsOf(contents: TensorFile, named: Origin | undefined, file: string): ModelOptions {
  const spec = specIn(contents, file);
  const config = ModelConfig.safeParse(named?.config ?? {});
  const options = config.success ? config.data : ModelConfig.parse({});
  if (spec === undefined) return { head: lenetHead(contents), rbfJ: options.rbfJ };
  const { model: _, ...lenet } = { ...options, head: spec.head.kind === 'rbf' ? 'rbf' : 'softmax' } as const;
  return canonicalJson(specOf(lenet)) === canonicalJson(spec) ? lenet : { ...ModelConfig.parse({}), model: spec };
}

/** The model in a file's metadata; undefined if it is LeNet-5 as version 0.1.0 wrote it, or if there is none. */
function specIn({ metadata }: TensorFile, file: string): ModelSpec | undefined {
  if (metadata.spec === undefined) return undefined;
  try {
    const json = parseJson(metadata.spec);
    if (LenetSpec.safeParse(json).success) return undefined;
    const spec = parseModel(json, undefined, "its metadata's spec");
    layoutOf(spec);
    return spec;
  } catch (error) {
    if (error instanceof ModelError || error instanceof SyntaxError) throw unusable(file, error.message, error);
    throw error;
  }
}

/** What tells specs of version 0.1.0 from later ones, where the model's padding is a layer. */
const LenetSpec = z.object({ name: z.literal('lenet5'), input: z.object({ padding: z.number() }) });

/** Whether a checkpoint's config is that of a model. */
function isOf(named: Origin | undefined, { spec }: ModelLayout): boolean {
  const config = ModelConfig.safeParse(named?.config);
  // A name alone, such as resnet8, doesn't say what the data set made of it.
  if (!config.success || (typeof config.data.model === 'string' && config.data.model !== spec.name)) return false;
  if (typeof config.data.model === 'string') return true;
  return canonicalJson(specOf(config.data)) === canonicalJson(spec);
}

/** A checkpoint whose optimizer starts again. */
export function importedCheckpoint({ origin: _, ...imported }: ImportedWeights): Buffer {
  const optimizer = { m: new Float32Array(imported.layout.parameters), v: undefined };
  return encodeCheckpoint({ ...imported, optimizer, optimizerName: 'none' });
}

/** LeNet-5's head by its tensors; softmax if the file is of another network, so that the error names the default. */
function lenetHead({ tensors }: TensorFile): ModelOptions['head'] {
  const names = [...tensors.keys()];
  return tensors.has('f6.weight') && !names.some((name) => name.startsWith('output.')) ? 'rbf' : 'softmax';
}

function checkNetwork({ tensors }: TensorFile, layout: ModelLayout, file: string): void {
  const expected = new Map(layout.tensors.map(({ name, shape }) => [name, shape.join('x')]));
  if ([...tensors.keys()].some((name) => name.startsWith('optimizer.m.'))) {
    throw unusable(file, 'it is a checkpoint of Lockstep already, which every command takes as it is');
  }
  const missing = [...expected].filter(([name]) => !tensors.has(name)).map(([name, shape]) => `${name} of ${shape}`);
  const strange = [...tensors.keys()].filter((name) => !expected.has(name));
  const misshapen = [...tensors.values()].flatMap(({ name, shape }) => {
    const wanted = expected.get(name);
    return wanted === undefined || wanted === shape.join('x')
      ? []
      : [`${name} of ${wanted}, not ${shape.join('x') || 'a scalar'}`];
  });
  const problems = [
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(strange.length > 0 ? [`it holds ${listed(strange)}, which the network doesn't have`] : []),
    ...(misshapen.length > 0 ? [`expected ${listed(misshapen)}`] : []),
  ];
  if (problems.length > 0) throw unusable(file, problems.join('; '));
}

const MAX_LISTED = 4;

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, MAX_LISTED).map((text) => text.slice(0, 60));
  const more = texts.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function unusable(file: string, problem: string, cause?: unknown): CheckpointError {
  // The file's own texts: a terminal would obey control characters.
  const text = problem.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 600);
  return new CheckpointError(
    `${file} can't be imported: ${text}. It must be a safetensors file of a model's float32 tensors, as ` +
      '`lockstep export --format safetensors` writes it.',
    { file, cause },
  );
}
