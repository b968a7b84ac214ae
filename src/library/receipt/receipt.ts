import { createHash } from 'node:crypto';
import { z } from 'zod';
import { ConfigSchema, type Manifest } from '../../coordinator/run/manifest.ts';
import type { CheckpointOwner } from '../../coordinator/run/own-checkpoint.ts';
import { BITS, bitsOf, type TrainConfig } from '../../shared/config/config.ts';
import { trainSchema } from '../../shared/config/schema.ts';
import { evaluationIn } from '../../shared/live/step-scalars.ts';
import { isPreset, specOf, typicalData } from '../../shared/model/registry.ts';
import type { ModelSpec } from '../../shared/model/spec.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { parseJson } from '../../shared/util/json.ts';
import { shownPath } from '../../shared/util/shown-path.ts';

/** Of the model, most of it; a network of many layers has tens of kilobytes. */
export const MAX_RECEIPT_BYTES = 1 << 22;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256');
const Figure = z.number().exactOptional();

const ResultSchema = z.strictObject({
  /** Updates done. */
  steps: z.int().positive(),
  weightsSha256: Sha256,
  /** The hash chain's last value. */
  chain: Sha256,
  trainLoss: Figure,
  /** The step of the last evaluation. */
  testedAt: z.int().positive().exactOptional(),
  testAccuracy: Figure,
  testR2: Figure,
  testLoss: Figure,
  validationAccuracy: Figure,
  validationR2: Figure,
  validationLoss: Figure,
  /** The run ended before its last iteration, by --patience. */
  stoppedEarly: z.literal(true).exactOptional(),
});

const ReceiptSchema = z.strictObject({
  /** The version of the format. */
  receipt: z.literal(1),
  /** The version of Lockstep that trained last. */
  lockstep: z.string().max(100),
  /** The options that decide the bits; with --patience also evaluateEvery. The model is a preset's name, or a spec. */
  config: z.record(z.string(), z.unknown()),
  /** The data set's name. */
  dataset: z.string().max(1000),
  digests: z.strictObject({ dataset: Sha256, model: Sha256, numerics: Sha256, init: Sha256.exactOptional() }),
  result: ResultSchema,
  /** Of the canonical JSON of all above. */
  sha256: Sha256,
  /** By Ed25519 (RFC 8032), of the canonical JSON of all above. */
  signature: z
    .strictObject({
      /** The public key: DER (SubjectPublicKeyInfo), in base64. */
      key: z.string().max(200),
      ed25519: z.string().max(200),
    })
    .exactOptional(),
});

/** What it takes for somebody else to reproduce a run (docs/runs.md). */
export type Receipt = Readonly<z.output<typeof ReceiptSchema>>;
export type ReceiptResult = Receipt['result'];

/** A receipt, and what it takes to compute it again. */
export interface ReadReceipt {
  readonly receipt: Receipt;
  readonly config: TrainConfig;
  /** What a checkpoint of its run must have. */
  readonly owner: CheckpointOwner;
  /** What in it contradicts itself. */
  readonly problems: readonly string[];
}

/** The receipt of a run that has ended, without a signature. @throws UsageError if it has no result */
export function receiptOf({ config, digests, dataset, versions, state, result }: Manifest, shown: string): Receipt {
  if (result === undefined || result.steps === 0 || (state !== 'finished' && state !== 'stopped')) {
    throw new UsageError(`${shown} has no result: it is ${state}. Train it to its end, or name another run.`);
  }
  const { model: _, ...options } = bitsOf(config);
  const spec = specOf(config);
  const { steps, weightsSha256, chain, trainLoss, testedAt, stoppedEarly } = result;
  const figures = Object.entries({ trainLoss, ...evaluationIn(result) });
  const unsealed = {
    receipt: 1,
    lockstep: versions.lockstep ?? 'unknown',
    config: {
      ...options,
      model: modelOfReceipt(spec, config),
      ...(config.patience > 0 && { evaluateEvery: config.evaluateEvery }),
    },
    dataset,
    digests: { ...digests, model: digestOf(spec) },
    result: {
      ...{ steps, weightsSha256, chain },
      ...(testedAt !== undefined && { testedAt }),
      ...(stoppedEarly && { stoppedEarly }),
      // A figure that overflowed has no JSON.
      ...Object.fromEntries(figures.filter(([, value]) => Number.isFinite(value))),
    },
  } as const;
  return ReceiptSchema.parse({ ...unsealed, sha256: digestOf(unsealed) });
}

/** Reads a receipt. @throws UsageError if it isn't one that this version knows */
export function readReceipt(text: string, file: string): ReadReceipt {
  const shown = shownPath(file);
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new UsageError(`${shown} is no receipt: ${(error as Error).message}. Name a file that \`receipt\` wrote.`, {
      cause: error,
    });
  }
  const parsed = ReceiptSchema.safeParse(json);
  if (!parsed.success) throw unusable(shown, parsed.error);
  const receipt = parsed.data;
  const config = configOf(receipt, shown);
  const { sha256, signature: _, ...claims } = receipt;
  const { steps, testedAt = steps, stoppedEarly } = receipt.result;
  const checks: readonly (readonly [boolean, string])[] = [
    [text.trimEnd() === canonicalJson(receipt), "isn't canonical JSON: keys in order, no spaces"],
    [digestOf(claims) === sha256, `has the hash ${sha256}, but its contents have ${digestOf(claims)}`],
    [digestOf(specOf(config)) === receipt.digests.model, `names a model with another digest than digests.model`],
    [steps <= config.iterations && testedAt <= steps, 'has more steps than its options allow'],
    [stoppedEarly === undefined || (config.patience > 0 && steps < config.iterations), 'ended early without a reason'],
  ];
  const { model: __, ...digests } = receipt.digests;
  const problems = checks.flatMap(([isRight, problem]) => (isRight ? [] : [problem]));
  return { receipt, config, owner: { config, digests, attempts: [] }, problems };
}

/** What a signature is of. */
export function signedText({ signature: _, ...rest }: Receipt): string {
  return canonicalJson(rest);
}

function configOf({ config: { model, ...options } }: Receipt, shown: string): TrainConfig {
  const known = new Set<string>([...BITS, 'evaluateEvery']);
  known.delete('init');
  const other = Object.keys(options).find((key) => !known.has(key));
  if (other !== undefined) {
    throw new UsageError(`${shown} can't be used by this version: config.${other} decides no bits here.`);
  }
  try {
    const isName = typeof model === 'string' && isPreset(model);
    // What isn't a preset's name would be a path.
    if (typeof model === 'string' && !isName) {
      throw new UsageError(`${shown} names the model ${model}, which is no preset of this version. Use a newer one.`);
    }
    const { head: givenHead, rbfJ: givenJ } = options;
    const { head, rbfJ } = trainSchema.pick({ head: true, rbfJ: true }).parse({ head: givenHead, rbfJ: givenJ });
    const spec = isName ? specOf({ model, head, rbfJ }, typicalData(model)) : model;
    return ConfigSchema.parse({ ...options, model: spec, workers: 1 }) as TrainConfig;
  } catch (error) {
    if (error instanceof z.ZodError) throw unusable(shown, error, ['config']);
    throw error;
  }
}

function unusable(shown: string, error: z.ZodError, within: readonly string[] = []): UsageError {
  const [issue] = error.issues;
  const field = [...within, ...(issue?.path ?? [])].join('.');
  return new UsageError(
    `${shown} is no receipt that this version can use (${field === '' ? '' : `${field}: `}${issue?.message}). ` +
      'Name a file that `receipt` wrote, or use a newer version of Lockstep.',
    { cause: error },
  );
}

/** A preset's name where it says all of a spec. */
function modelOfReceipt(spec: ModelSpec, { head, rbfJ }: TrainConfig): string | ModelSpec {
  if (!isPreset(spec.name)) return spec;
  const named = specOf({ model: spec.name, head, rbfJ }, typicalData(spec.name));
  return digestOf(named) === digestOf(spec) ? spec.name : spec;
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
