import { encodeCheckpoint, UNKNOWN, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { trainSchema } from '../../shared/config/schema.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { Head } from '../../shared/model/lenet5.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { CheckpointError } from '../../shared/util/errors.ts';
import { decodeSafetensors, type TensorFile } from '../../shared/util/safetensors.ts';
import { type Origin, originIn } from './metadata.ts';
import { refuseNotFinite } from './network.ts';

/** Far above a LeNet-5's quarter of a megabyte. */
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

/**
 * A LeNet-5's weights from a safetensors file, whoever wrote it; `file` is the name that errors give.
 * @throws CheckpointError if a name, shape, type or value isn't what the network has
 */
export function decodeWeights(bytes: Uint8Array, file: string): ImportedWeights {
  const contents = decodeSafetensors(bytes, file, unusable);
  const { metadata } = contents;
  const named = originIn(metadata);
  const head = headOf(contents);
  const rbfJ = trainSchema.shape.rbfJ.catch(trainSchema.shape.rbfJ.parse(undefined)).parse(named?.config.rbfJ);
  const layout = modelOf({ head, rbfJ });
  checkNetwork(contents, layout, file);
  const weights = new Float32Array(layout.parameters);
  for (const { name, offset } of layout.tensors) weights.set(contents.tensors.get(name)?.data ?? [], offset);
  refuseNotFinite(layout, weights, file);
  const isKept = named?.config.head === head && metadata.weightsSha256 === weightsSha256(weights);
  if (named !== undefined && isKept) return { ...named, layout, weights, origin: 'kept' };
  const unknown = { step: 0, config: { head, rbfJ }, digests: { dataset: UNKNOWN, numerics: UNKNOWN } };
  return { ...unknown, layout, weights, origin: named === undefined ? 'none' : 'changed' };
}

/** A checkpoint whose optimizer starts again. */
export function importedCheckpoint({ layout, weights, step, config, digests }: ImportedWeights): Buffer {
  const optimizer = { m: new Float32Array(layout.parameters), v: undefined };
  return encodeCheckpoint({ layout, weights, optimizer, step, config, digests, optimizerName: 'none' });
}

/** The head by its tensors; softmax if the file is of another network, so that the error names the default. */
function headOf({ tensors }: TensorFile): Head {
  const names = [...tensors.keys()];
  return tensors.has('f6.weight') && !names.some((name) => name.startsWith('output.')) ? 'rbf' : 'softmax';
}

function checkNetwork({ tensors, metadata }: TensorFile, layout: ModelLayout, file: string): void {
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
  if (metadata.spec !== undefined && metadata.spec !== canonicalJson(layout.spec)) {
    throw unusable(file, "its metadata's spec is another network than the LeNet-5 that this version trains");
  }
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
    `${file} can't be imported: ${text}. It must be a safetensors file of a LeNet-5's float32 tensors, as ` +
      '`lockstep export --format safetensors` writes it.',
    { file, cause },
  );
}
