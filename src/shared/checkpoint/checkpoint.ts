import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ClassNames } from '../data/class-names.ts';
import { type Dataset, inputKindOf } from '../data/dataset.ts';
import { PREPARATION, type Preparation } from '../data/preparation.ts';
import type { ModelLayout } from '../model/layout.ts';
import { canonicalJson } from '../util/canonical-json.ts';
import {
  damaged,
  decodeSafetensors,
  encodeSafetensors,
  headerOf,
  littleEndianBytes,
  type Tensor,
} from '../util/safetensors.ts';
import { ValidationState } from './validation-state.ts';

/** The optimizer's moments, each [parameters] in flat order; SGD has no `v`. */
export interface Moments {
  readonly m: Float32Array;
  readonly v: Float32Array | undefined;
}

/** SHA-256 digests of what a run computes with, in hex. */
export interface Digests {
  readonly dataset: string;
  readonly numerics: string;
  /** Of the weights that the run began with, where they weren't drawn. */
  readonly init?: string | undefined;
}

/** What is known of the samples that a model was trained on, for those who show it others. */
export interface KnownSamples {
  /** [classes]: names of the classes, or of the outputs; undefined: they have numbers, or it isn't known. */
  readonly classNames?: readonly string[] | undefined;
  /** Inputs are floats of a scale of their own; undefined: bytes, or it isn't known. */
  readonly inputs?: 'float32' | undefined;
  /** How samples like these are made; undefined: they were given as they are, or it isn't known. */
  readonly preparation?: Preparation | undefined;
}

/** What a checkpoint says besides its tensors. */
export interface CheckpointInfo extends KnownSamples {
  /** Updates done. */
  readonly step: number;
  /** The resolved config; JSON values only. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly digests: Digests;
  readonly optimizerName: string;
  readonly chain?: string | undefined;
  /** Undefined if no samples are held back. */
  readonly validation?: ValidationState | undefined;
}

export interface TrainingState {
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
  readonly optimizer: Moments;
}

export interface Checkpoint extends CheckpointInfo {
  /** The name that errors give. */
  readonly file: string;
  /** Of the whole file with this digest's 64 digits replaced by zeros. */
  readonly sha256: string;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** As a digest: of weights that were imported from elsewhere. */
export const UNKNOWN = 'unknown';

/** Characters of the names of classes, and of the preparation: more would take too much of each checkpoint, and are left out. */
const MAX_NAMES = 2 ** 17;

/** A data set as its checkpoints tell of it. */
export function knownSamples({
  classNames,
  train,
  preparation,
}: Pick<Dataset, 'classNames' | 'train' | 'preparation'>): KnownSamples {
  const isShort = (value: unknown): boolean => JSON.stringify(value).length <= MAX_NAMES;
  const isNamed = classNames.some((name, k) => name !== String(k)) && isShort(classNames);
  return {
    preparation: preparation !== undefined && isShort(preparation) ? preparation : undefined,
    classNames: isNamed ? classNames : undefined,
    inputs: inputKindOf(train) === 'float32' ? 'float32' : undefined,
  };
}

const NO_DIGEST = '0'.repeat(64);
// Quotes inside JSON strings are escaped, so no value or tensor name can contain this text.
const DIGEST_KEY = '"sha256":"';

/** What a checkpoint's metadata hold, as texts by name. */
export const CheckpointMetadata = z.object({
  step: z
    .string()
    .regex(/^(0|[1-9]\d{0,14})$/)
    .transform(Number),
  config: jsonOf(z.record(z.string(), z.unknown())),
  digests: jsonOf(z.object({ dataset: z.string(), numerics: z.string(), init: z.string().optional() })),
  optimizer: z.string(),
  chain: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  classes: jsonOf(ClassNames).optional(),
  inputs: z.literal('float32').optional(),
  preparation: jsonOf(PREPARATION).optional(),
  sha256: z.string(),
  validation: jsonOf(ValidationState).optional(),
});

/**
 * Everything that resuming needs, as one safetensors file: the same bytes for the same state. The arrays may be shared
 * memory that changes later: they are copied before this returns.
 * @throws RangeError where an array doesn't have the layout's number of parameters
 */
export function encodeCheckpoint(state: CheckpointInfo & TrainingState & { readonly layout: ModelLayout }): Buffer {
  const { layout, weights, optimizer, step, config, digests, optimizerName, chain, validation, ...samples } = state;
  const tensors = [
    ...tensorsOf(layout, '', weights),
    ...tensorsOf(layout, 'optimizer.m.', optimizer.m),
    ...(optimizer.v === undefined ? [] : tensorsOf(layout, 'optimizer.v.', optimizer.v)),
  ];
  const bytes = encodeSafetensors(tensors, {
    ...(chain === undefined ? {} : { chain }),
    config: canonicalJson(config),
    digests: canonicalJson(digests),
    optimizer: optimizerName,
    ...samplesMetadata(samples),
    sha256: NO_DIGEST,
    step: String(step),
    ...(validation === undefined ? {} : { validation: canonicalJson(validation) }),
  });
  const digits = digestPosition(bytes, 'the new checkpoint');
  bytes.write(digestAround(bytes, digits), digits, 'latin1');
  return bytes;
}

/** What is known of samples, as texts by name. */
export function samplesMetadata({ classNames, inputs, preparation }: KnownSamples): Record<string, string> {
  return {
    ...(classNames === undefined ? {} : { classes: JSON.stringify(classNames) }),
    ...(inputs === undefined ? {} : { inputs }),
    ...(preparation === undefined ? {} : { preparation: canonicalJson(preparation) }),
  };
}

/**
 * Verifies and reads a checkpoint; `file` is the name that errors give.
 * @throws CheckpointError where a single bit differs from what was written, or where it isn't a Lockstep checkpoint
 */
export function decodeCheckpoint(bytes: Uint8Array, file: string): Checkpoint {
  const sha256 = verify(bytes, file);
  const { metadata, tensors } = decodeSafetensors(bytes, file);
  const parsed = CheckpointMetadata.safeParse(metadata);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw damaged(file, `its metadata's ${issue?.path.join('.')}: ${issue?.message}`, parsed.error);
  }
  const {
    step,
    config,
    digests,
    optimizer: optimizerName,
    chain,
    classes: classNames,
    inputs,
    preparation,
    validation,
  } = parsed.data;
  const samples = { classNames, inputs, preparation };
  return { file, step, config, digests, optimizerName, chain, validation, ...samples, sha256, tensors };
}

/**
 * The checkpoint's weights and moments in flat order, in arrays of their own.
 * @throws CheckpointError where its tensors aren't those of the layout
 */
export function trainingStateOf(checkpoint: Checkpoint, layout: ModelLayout): TrainingState {
  const { file, tensors } = checkpoint;
  const first = layout.tensors[0]?.name;
  const hasV = tensors.has(`optimizer.v.${first}`);
  const expected = layout.tensors.length * (hasV ? 3 : 2);
  if (tensors.size !== expected) {
    throw damaged(file, `expected ${expected} tensors for the model ${layout.spec.name}, but it holds ${tensors.size}`);
  }
  return {
    weights: flatten(checkpoint, layout, ''),
    optimizer: {
      m: flatten(checkpoint, layout, 'optimizer.m.'),
      v: hasV ? flatten(checkpoint, layout, 'optimizer.v.') : undefined,
    },
  };
}

/** SHA-256 in hex of the weights, [parameters] in flat order, as little-endian float32. */
export function weightsSha256(weights: Float32Array): string {
  return createHash('sha256').update(littleEndianBytes(weights)).digest('hex');
}

/** A flat vector's parts by name, behind a prefix; views, no copies. @throws RangeError where its length isn't the layout's */
export function tensorsOf(layout: ModelLayout, prefix: string, values: Float32Array): Tensor[] {
  if (values.length !== layout.parameters) {
    throw new RangeError(`${prefix}*: expected ${layout.parameters} parameters, but got ${values.length}.`);
  }
  return layout.tensors.map(({ name, shape, offset, size }) => ({
    name: prefix + name,
    shape,
    data: values.subarray(offset, offset + size),
  }));
}

function flatten({ file, tensors }: Checkpoint, layout: ModelLayout, prefix: string): Float32Array {
  const values = new Float32Array(layout.parameters);
  for (const { name, shape, offset } of layout.tensors) {
    const tensor = tensors.get(prefix + name);
    if (tensor?.shape.join('x') !== shape.join('x')) {
      const came = tensor === undefined ? 'none' : `one of ${tensor.shape.join('x')}`;
      throw damaged(file, `expected a tensor ${prefix}${name} of ${shape.join('x')}, but it holds ${came}`);
    }
    values.set(tensor.data, offset);
  }
  return values;
}

/** @returns the digest that the file carries, found to be its own */
function verify(bytes: Uint8Array, file: string): string {
  const position = digestPosition(bytes, file);
  const recorded = Buffer.from(bytes.subarray(position, position + NO_DIGEST.length)).toString('latin1');
  const actual = digestAround(bytes, position);
  if (recorded === actual) return actual;
  throw damaged(file, `it records the SHA-256 ${recorded}, but its bytes have ${actual}`);
}

function digestPosition(bytes: Uint8Array, file: string): number {
  const header = headerOf(bytes, file);
  const key = header.indexOf(DIGEST_KEY);
  const digits = key + DIGEST_KEY.length;
  if (key < 0 || !/^[0-9a-f]{64}"$/.test(header.toString('latin1', digits, digits + NO_DIGEST.length + 1))) {
    throw damaged(file, 'expected a sha256 of 64 digits in its metadata, but there is none');
  }
  return header.byteOffset - bytes.byteOffset + digits;
}

function digestAround(bytes: Uint8Array, position: number): string {
  return createHash('sha256')
    .update(bytes.subarray(0, position))
    .update(NO_DIGEST)
    .update(bytes.subarray(position + NO_DIGEST.length))
    .digest('hex');
}

function jsonOf<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'expected JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);
}
