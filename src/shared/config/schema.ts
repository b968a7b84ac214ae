import { z } from 'zod';

/** What an option's help shows and what a resumed run must keep. */
export interface OptionNotes {
  readonly help: string;
  /** The value's unit, for help; none for a switch or a choice. */
  readonly value?: string;
  /** In words, where the default depends on other options or on the machine. */
  readonly fallback?: string;
  /** The option decides the bits of the weights or of the hash chain. */
  readonly bits?: true;
}

/** Holds the notes of each option of `trainSchema`. */
export const optionNotes = z.registry<OptionNotes>();

// The kernel counts steps in 32 bits, and a sample's position (step times batch) must stay below 2^53.
const MAX_STEPS = 2 ** 32 - 1;
const MAX_BATCH = 65_536;
// Far beyond any use; they keep values representable in float32, where the kernel uses them.
const MAX_RATE = 1e6;
const MIN_EPSILON = 1e-30;

/**
 * Every option of a training run: its range, default, unit and meaning, for flags, LOCKSTEP_* variables and config files
 * alike. Options without a default are filled in by `resolveTrainConfig`.
 */
export const trainSchema = z.strictObject({
  iterations: z.int().min(1).max(MAX_STEPS).default(10_000).register(optionNotes, {
    help: 'optimizer steps to do',
    value: 'steps',
    bits: true,
  }),
  batch: z.int().min(1).max(MAX_BATCH).default(128).register(optionNotes, {
    help: 'samples of one step, over all workers; a multiple of the shard size',
    value: 'samples',
    bits: true,
  }),
  shardSize: z.int().min(1).max(MAX_BATCH).default(8).register(optionNotes, {
    help: 'samples of one shard, the unit of work that is dealt to workers',
    value: 'samples',
    bits: true,
  }),
  workers: z
    .union([z.literal('auto'), z.int().min(0).max(1024)])
    .default('auto')
    .register(optionNotes, {
      help: 'worker threads; auto: one for each CPU that may be used, at most one for each shard; 0: none, with --listen',
      value: 'count',
    }),
  seed: z.int().min(0).default(1).register(optionNotes, {
    help: 'decides initial weights, sample order and augmentation',
    value: 'number',
    bits: true,
  }),
  optimizer: z.enum(['adam', 'adamw', 'sgd']).default('adam').register(optionNotes, {
    help: 'update rule',
    bits: true,
  }),
  learningRate: z.number().gt(0).max(MAX_RATE).default(0.003).register(optionNotes, {
    help: 'highest learning rate, reached after the warm-up',
    value: 'rate',
    bits: true,
  }),
  schedule: z.enum(['cosine', 'constant']).default('cosine').register(optionNotes, {
    help: 'learning rate after the warm-up: down to 0 along a cosine, or unchanged',
    bits: true,
  }),
  warmup: z.int().min(0).max(MAX_STEPS).optional().register(optionNotes, {
    help: 'first steps, in which the learning rate rises linearly',
    value: 'steps',
    fallback: 'a fifth of the iterations, at most 200',
    bits: true,
  }),
  momentum: z.number().min(0).lt(1).default(0.9).register(optionNotes, {
    help: 'sgd: share of the last update that is kept',
    value: 'ratio',
    bits: true,
  }),
  beta1: z.number().min(0).lt(1).default(0.9).register(optionNotes, {
    help: 'adam, adamw: decay of the first moment per step',
    value: 'ratio',
    bits: true,
  }),
  beta2: z.number().min(0).lt(1).default(0.999).register(optionNotes, {
    help: 'adam, adamw: decay of the second moment per step',
    value: 'ratio',
    bits: true,
  }),
  epsilon: z.number().min(MIN_EPSILON).max(1).default(1e-8).register(optionNotes, {
    help: 'adam, adamw: added to the divisor',
    value: 'number',
    bits: true,
  }),
  weightDecay: z.number().min(0).max(MAX_RATE).optional().register(optionNotes, {
    help: 'adam, sgd: L2 penalty added to the gradient; adamw: decay apart from the gradient',
    value: 'rate',
    fallback: '0.01 with adamw, else 0',
    bits: true,
  }),
  clipNorm: z.number().min(0).max(1e30).default(0).register(optionNotes, {
    help: 'scale down gradients whose L2 norm is above this; 0: never',
    value: 'norm',
    bits: true,
  }),
  head: z.enum(['softmax', 'rbf']).default('softmax').register(optionNotes, {
    help: "output layer: softmax, or the 1998 paper's distances to bitmaps",
    bits: true,
  }),
  rbfJ: z.number().min(0).max(1000).default(0.1).register(optionNotes, {
    help: 'rbf: the constant j of its loss, which limits the pull of far classes',
    value: 'number',
    bits: true,
  }),
  augment: z.enum(['none', 'shift']).default('shift').register(optionNotes, {
    help: 'training images as they are, or moved by up to two pixels',
    bits: true,
  }),
  backend: z.enum(['kernel', 'tfjs']).default('kernel').register(optionNotes, {
    help: 'what computes the gradients: the own kernel, or native TensorFlow (npm run setup:tfjs)',
    bits: true,
  }),
  evaluateEvery: z.int().min(0).max(MAX_STEPS).default(500).register(optionNotes, {
    help: 'steps between evaluations on the test set (also at step 100 and at the end); 0: only there',
    value: 'steps',
  }),
  checkpointEvery: z.int().min(0).max(MAX_STEPS).default(1000).register(optionNotes, {
    help: 'steps between checkpoints (also at step 100 and at the end); 0: only there',
    value: 'steps',
  }),
  hashEvery: z.int().min(0).max(MAX_STEPS).default(100).register(optionNotes, {
    help: 'steps between links of the hash chain over the run; 0: none',
    value: 'steps',
    bits: true,
  }),
  keep: z.int().min(1).max(MAX_STEPS).default(20).register(optionNotes, {
    help: 'newest checkpoints to keep; snapshots (step 100, the end) stay besides',
    value: 'count',
  }),
  init: z.string().min(1).optional().register(optionNotes, {
    help: 'checkpoint, or run whose last one, to take the initial weights from',
    value: 'path',
    fallback: 'drawn from the seed',
    bits: true,
  }),
  resume: z.string().min(1).optional().register(optionNotes, {
    help: 'run directory to go on with, or latest: the newest run under runs/',
    value: 'dir',
    fallback: 'a new run',
  }),
  forceUnlock: z.boolean().default(false).register(optionNotes, {
    help: "take over a run that another machine's process holds; be sure that it has ended",
  }),
  listen: z.string().min(1).optional().register(optionNotes, {
    help: 'address for remote nodes, such as 127.0.0.1:9465 or 0.0.0.0:0 (any free port)',
    value: 'host:port',
    fallback: 'this machine alone',
  }),
  tokenFile: z.string().min(1).optional().register(optionNotes, {
    help: 'file of the token that nodes must hold, as `lockstep token` prints one',
    value: 'file',
    fallback: '$LOCKSTEP_TOKEN',
  }),
  tlsCert: z.string().min(1).optional().register(optionNotes, {
    help: 'PEM certificate for wss; with --tls-key',
    value: 'file',
    fallback: 'plain ws',
  }),
  tlsKey: z.string().min(1).optional().register(optionNotes, {
    help: 'PEM key of the certificate',
    value: 'file',
    fallback: 'plain ws',
  }),
  plaintext: z.boolean().default(false).register(optionNotes, {
    help: 'listen beyond loopback without TLS: frames are authenticated, but anybody on the way can read them',
  }),
  out: z.string().min(1).optional().register(optionNotes, {
    help: 'run directory, new or empty',
    value: 'dir',
    fallback: 'a new one under runs/',
  }),
  data: z.string().min(1).optional().register(optionNotes, {
    help: 'folder of the four MNIST files',
    value: 'dir',
    fallback: "$MNIST_DIR, then the user's cache",
  }),
  metricsPort: z
    .union([z.literal('off'), z.int().min(0).max(65_535)])
    .default(9464)
    .register(optionNotes, {
      help: 'port of the live page and /metrics on 127.0.0.1; 0: any free one; off: none. Where the default is taken, a free one is used',
      value: 'port',
    }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').register(optionNotes, {
    help: 'least weight of the lines that are said and logged',
  }),
  logFormat: z.enum(['auto', 'text', 'json']).default('auto').register(optionNotes, {
    help: 'lines on stderr; auto: text on a terminal, JSON elsewhere',
  }),
  logFile: z.string().min(1).optional().register(optionNotes, {
    help: 'file to which each line is appended as JSON too',
    value: 'file',
    fallback: 'none',
  }),
  json: z.boolean().default(false).register(optionNotes, {
    help: 'print the result as one JSON object on stdout',
  }),
});

export type OptionKey = keyof typeof trainSchema.shape;

export const OPTION_KEYS = Object.keys(trainSchema.shape) as readonly OptionKey[];

/** shardSize: --shard-size */
export function flagOf(key: string): string {
  return `--${words(key).join('-')}`;
}

/** shardSize: LOCKSTEP_SHARD_SIZE */
export function variableOf(key: string): string {
  return `LOCKSTEP_${words(key).join('_').toUpperCase()}`;
}

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}

export function notesOf(key: OptionKey): OptionNotes {
  const notes = optionNotes.get(trainSchema.shape[key]);
  if (notes === undefined) throw new Error(`The option ${key} has no notes.`);
  return notes;
}

/** How help writes an option's value: its choices or its unit; undefined for a switch. */
export function valueName(key: OptionKey): string | undefined {
  const choices = jsonSchemaOf(key).enum;
  return choices ? choices.join('|') : notesOf(key).value;
}

/** An option's default as help shows it. */
export function defaultText(key: OptionKey): string {
  const { fallback } = notesOf(key);
  if (fallback !== undefined) return fallback;
  const field = trainSchema.shape[key];
  return 'defaultValue' in field.def ? String(field.def.defaultValue) : 'none';
}

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly exclusiveMaximum?: number;
}

/** The values that an option takes, in words, drawn from its schema. */
export function expectedText(key: OptionKey): string {
  return valueText(jsonSchemaOf(key));
}

function jsonSchemaOf(key: OptionKey): JsonSchema {
  return z.toJSONSchema(trainSchema.shape[key], { io: 'input' }) as JsonSchema;
}

function valueText(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(valueText).join(' or ');
  if (schema.enum) return schema.enum.join(', ').replace(/, ([^,]*)$/, ' or $1');
  if (schema.const !== undefined) return String(schema.const);
  switch (schema.type) {
    case 'integer':
      return `a whole number from ${schema.minimum} to ${schema.maximum}`;
    case 'number': {
      const low = schema.exclusiveMinimum === undefined ? `from ${schema.minimum}` : `above ${schema.exclusiveMinimum}`;
      const high = schema.exclusiveMaximum === undefined ? `to ${schema.maximum}` : `below ${schema.exclusiveMaximum}`;
      return `a number ${low} ${high}`;
    }
    case 'boolean':
      return 'true or false';
    default:
      return 'a text that is not empty';
  }
}
