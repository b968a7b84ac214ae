import { z } from 'zod';
import { KERNEL_NAMES } from '../engine/kernel-name.ts';
import type { NumberOption } from '../engine/optimizers/kind.ts';
import {
  defaultWeightDecayText,
  OPTIMIZER_NAMES,
  OPTIMIZER_OPTIONS,
  type OptimizerOption,
  optionHelp,
  weightDecayHelp,
} from '../engine/optimizers/registry.ts';
import { AUGMENT_OPTION } from './augment-option.ts';
import { CLUSTER_OPTIONS } from './cluster-options.ts';
import { DATA_OPTIONS } from './data-options.ts';
import { ENGINE_OPTIONS } from './engine-options.ts';
import { float32 } from './float32.ts';
import { LOSS_OPTIONS } from './loss-options.ts';
import { MODEL_OPTIONS } from './model-options.ts';
import { NOTE_OPTIONS } from './note-options.ts';
import { type OptionNotes, optionNotes } from './option-notes.ts';
import { ROUND_OPTIONS } from './round-options.ts';
import { SCHEDULE_OPTION } from './schedule-option.ts';
import { VALIDATION_OPTIONS } from './validation-options.ts';

// The kernel counts steps in 32 bits, and a sample's position (step times batch) must stay below 2^53.
const MAX_STEPS = 2 ** 32 - 1;
const MAX_BATCH = 65_536;
export const MAX_WORKERS = 1024;
// Far beyond any use; it keeps values representable in float32, where the kernel uses them.
const MAX_RATE = 1e6;

export const WorkerCount = z.int().min(0).max(1024);

/**
 * Every option of a training run: its range, default, unit and meaning, for flags, LOCKSTEP_* variables and config files
 * alike. Options without a default are filled in by `resolveTrainConfig`.
 */
export const trainSchema = z.strictObject({
  iterations: z.int().min(1).max(MAX_STEPS).default(10_000).register(optionNotes, {
    group: 'optimisation',
    help: 'number of optimizer steps',
    value: 'steps',
    bits: true,
  }),
  batch: z.int().min(1).max(MAX_BATCH).default(128).register(optionNotes, {
    group: 'optimisation',
    help: 'samples of the global batch of a step, over all workers; a multiple of the shard size',
    value: 'samples',
    bits: true,
  }),
  shardSize: z.int().min(1).max(MAX_BATCH).default(8).register(optionNotes, {
    group: 'execution',
    help: 'samples of one shard, the unit of work of a worker',
    value: 'samples',
    bits: true,
  }),
  workers: z
    .union([z.literal('auto'), z.int().min(0).max(MAX_WORKERS)])
    .default('auto')
    .register(optionNotes, {
      group: 'execution',
      help: 'worker threads; auto: one for each CPU, within quotas and memory, but no more than shards; 0: none, with --listen',
      value: 'count',
    }),
  seed: z.int().min(0).default(1).register(optionNotes, {
    group: 'optimisation',
    help: 'seed of initial weights, sample order and augmentation',
    value: 'number',
    bits: true,
  }),
  optimizer: z.enum(OPTIMIZER_NAMES).default('adam').register(optionNotes, {
    group: 'optimisation',
    help: 'update rule',
    bits: true,
  }),
  learningRate: float32(z.number().gt(0).max(MAX_RATE)).default(0.003).register(optionNotes, {
    group: 'optimisation',
    help: 'highest learning rate, reached after the warm-up',
    value: 'rate',
    bits: true,
  }),
  schedule: SCHEDULE_OPTION,
  warmup: z.int().min(0).max(MAX_STEPS).optional().register(optionNotes, {
    group: 'optimisation',
    help: 'steps at the start in which the learning rate rises linearly',
    value: 'steps',
    fallback: 'a fifth of the iterations, at most 200; 0 with a table',
    bits: true,
  }),
  ...optimizerOptions(),
  weightDecay: float32(z.number().min(0).max(MAX_RATE)).optional().register(optionNotes, {
    group: 'optimisation',
    help: weightDecayHelp(),
    value: 'rate',
    fallback: defaultWeightDecayText(),
    bits: true,
  }),
  clipNorm: float32(z.number().min(0).max(1e30)).default(0).register(optionNotes, {
    group: 'optimisation',
    help: 'scale down gradients whose L2 norm is larger than this; 0: never',
    value: 'norm',
    bits: true,
  }),
  ...ROUND_OPTIONS,
  ...LOSS_OPTIONS,
  ...MODEL_OPTIONS,
  augment: AUGMENT_OPTION,
  backend: z.enum(['kernel', 'tfjs']).default('kernel').register(optionNotes, {
    group: 'execution',
    help: 'what computes the gradients: the WebAssembly kernel, or native TensorFlow (`lockstep doctor` says how it is set up)',
    bits: true,
  }),
  kernel: z.enum(KERNEL_NAMES).default('auto').register(optionNotes, {
    group: 'execution',
    help: 'code that computes, all with the same bits: WebAssembly, or native code for AVX2 or AVX-512; auto: the fastest that works here',
  }),
  evaluateEvery: z.int().min(0).max(MAX_STEPS).default(500).register(optionNotes, {
    group: 'output',
    help: 'steps between evaluations on the test set (also at step 100 and at the end); 0: only those',
    value: 'steps',
  }),
  checkpointEvery: z.int().min(0).max(MAX_STEPS).default(1000).register(optionNotes, {
    group: 'output',
    help: 'steps between checkpoints (also at step 100 and at the end); 0: only those',
    value: 'steps',
  }),
  hashEvery: z.int().min(0).max(MAX_STEPS).default(100).register(optionNotes, {
    group: 'output',
    help: 'steps between links of the hash chain over the run; 0: none',
    value: 'steps',
    bits: true,
  }),
  logEvery: z.int().min(1).max(MAX_STEPS).default(1).register(optionNotes, {
    group: 'output',
    help: 'steps between lines of the log; those with an evaluation or a hash, the first and the last are always there',
    value: 'steps',
  }),
  keep: z.int().min(1).max(MAX_STEPS).default(20).register(optionNotes, {
    group: 'output',
    help: 'number of newest checkpoints to keep; snapshots (step 100, the end) are never removed',
    value: 'count',
  }),
  init: z.string().min(1).optional().register(optionNotes, {
    group: 'model',
    help: 'initial weights: a checkpoint, or a run (also its name, or latest) for its last one, or a file of ONNX, Keras, TensorFlow.js or safetensors',
    value: 'path',
    fallback: 'random, by the seed',
    bits: true,
  }),
  resume: z.string().min(1).optional().register(optionNotes, {
    group: 'output',
    help: 'run to continue: its directory, its name below runs/, or latest; auto: the run in --out, or a new one there',
    value: 'run',
    fallback: 'a new run',
  }),
  forceUnlock: z.boolean().default(false).register(optionNotes, {
    group: 'output',
    help: 'take over a run that a process of another machine holds; make sure that the process has ended',
  }),
  ...ENGINE_OPTIONS,
  onHangup: z.enum(['stop', 'ignore']).optional().register(optionNotes, {
    group: 'execution',
    help: 'what SIGHUP does: stop saves and ends as SIGTERM does, ignore continues',
    fallback: 'stop; ignore under nohup',
  }),
  ...CLUSTER_OPTIONS,
  out: z.string().min(1).optional().register(optionNotes, {
    group: 'output',
    help: 'run directory, new or empty',
    value: 'dir',
    fallback: 'a new one under runs/',
  }),
  ...NOTE_OPTIONS,
  ...DATA_OPTIONS,
  ...VALIDATION_OPTIONS,
  metricsPort: z
    .union([z.literal('off'), z.int().min(0).max(65_535)])
    .default(9464)
    .register(optionNotes, {
      group: 'monitoring',
      help: 'port of the live page and /metrics; 0: any free port; off: no server. If the default is in use, the next free port is taken',
      value: 'port',
    }),
  metricsHost: z.string().min(1).default('127.0.0.1').register(optionNotes, {
    group: 'monitoring',
    help: 'address on which the live page and /metrics listen; beyond loopback they require a token and --plaintext',
    value: 'host',
  }),
  metricsTokenFile: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: 'file with the token that the live page and /metrics require, as the command `token` prints one',
    value: 'file',
    fallback: '$LOCKSTEP_METRICS_TOKEN',
  }),
  metricsTargets: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: "JSON file for Prometheus' file discovery that lists this run while it serves metrics; several runs may share it",
    value: 'file',
    fallback: 'no file',
  }),
  remoteWrite: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: 'send every step to a Prometheus remote write receiver, such as http://127.0.0.1:9090/api/v1/write',
    value: 'url',
    fallback: 'not sent',
  }),
  remoteWriteTokenFile: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: "file with the receiver's bearer token",
    value: 'file',
    fallback: '$LOCKSTEP_REMOTE_WRITE_TOKEN',
  }),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').register(optionNotes, {
    group: 'monitoring',
    help: 'lowest level that is printed and logged: debug, info, warn, error or silent',
    value: 'level',
  }),
  logFormat: z.enum(['auto', 'text', 'json']).default('auto').register(optionNotes, {
    group: 'monitoring',
    help: 'format of the lines on stderr; auto: text on a terminal, otherwise JSON',
  }),
  logFile: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: 'file to which each line is also appended as JSON',
    value: 'file',
    fallback: 'no file',
  }),
  tensorboard: z.boolean().default(false).register(optionNotes, {
    group: 'monitoring',
    help: 'write event files for TensorBoard to the folder tensorboard of the run directory: scalars, weight histograms, the graph',
  }),
  json: z.boolean().default(false).register(optionNotes, {
    group: 'output',
    help: 'print the result as one JSON object on stdout; --json=FILE writes it to a file instead',
  }),
});

export type OptionKey = keyof typeof trainSchema.shape;

export const OPTION_KEYS = Object.keys(trainSchema.shape) as readonly OptionKey[];

/** The options that only some optimizers use. */
function optimizerOptions() {
  const entries = Object.entries<NumberOption>(OPTIMIZER_OPTIONS).map(
    ([key, { min, max, below, value, ...option }]) => {
      const least = z.number().min(min);
      const range = below === undefined ? least.max(max ?? MAX_RATE) : least.lt(below);
      const help = optionHelp(key as OptimizerOption);
      const notes: OptionNotes = { group: 'optimisation', help, value, bits: true };
      return [key, float32(range).default(option.default).register(optionNotes, notes)] as const;
    },
  );
  return Object.fromEntries(entries) as Record<OptimizerOption, (typeof entries)[number][1]>;
}

/** The flag of an option: shardSize is --shard-size. */
export function flagOf(key: string): string {
  return `--${words(key).join('-')}`;
}

/** The environment variable of an option: shardSize is LOCKSTEP_SHARD_SIZE. */
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
