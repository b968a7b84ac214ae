import type { z } from 'zod';
import { namedSet } from '../data/registry.ts';
import { READING_KEYS, type ReadingKey } from '../data/source.ts';
import { optimizerOf } from '../engine/optimizers/registry.ts';
import { isTable } from '../engine/schedule-table.ts';
import { isPreset } from '../model/registry.ts';
import { UsageError } from '../util/errors.ts';
import { callerPath } from '../util/paths.ts';
import { processorCount } from '../util/processors.ts';
import { checkTogether } from './check-together.ts';
import { flagOf, notesOf, OPTION_KEYS, type OptionKey, trainSchema } from './schema.ts';
import { type GivenOptions, readSources, type Sources } from './sources.ts';
import { withoutEffect } from './without-effect.ts';

type Options = z.output<typeof trainSchema>;

/** The value of --resume for the run in --out if there is one, otherwise a new run there. */
export const AUTO = 'auto';
/** The value of --init, --resume and other options and arguments for the newest run. */
export const LATEST = 'latest';

/** A run's options, all decided. Paths are absolute. */
export type TrainConfig = Readonly<
  Omit<Options, 'workers' | 'warmup' | 'weightDecay'> & {
    readonly workers: number;
    readonly warmup: number;
    readonly weightDecay: number;
  }
>;

/** The options that decide the bits of the weights and of the hash chain; a resumed run keeps them. */
export const BITS: readonly OptionKey[] = OPTION_KEYS.filter((key) => notesOf(key).bits);

/** How many workers a config can have, up to a number. */
export interface Capacity {
  /** As many as one shared memory holds. */
  held(config: TrainConfig, upTo: number): number;
  /** As many as there is memory for here, at least 1. */
  afforded(config: TrainConfig, upTo: number): number;
}

/** As many workers as may be wanted. */
export const UNLIMITED: Capacity = { held: (_, upTo) => upTo, afforded: (_, upTo) => upTo };

export interface ResolvedTrainConfig {
  readonly config: TrainConfig;
  /** The options that some source gave. */
  readonly explicit: ReadonlySet<OptionKey>;
  /** A sentence for each option that was given without effect. */
  readonly unused?: readonly string[];
}

/**
 * A training run's config: flags over LOCKSTEP_* variables over a config file over a preset over defaults.
 * @param capacity decides on the number of workers, besides processors and shards
 * @throws UsageError naming the option, its source, what was expected, what came and what to do
 */
export function resolveTrainConfig(sources: Sources, capacity = UNLIMITED): ResolvedTrainConfig {
  const given = readSources(sources, OPTION_KEYS);
  const config = decide(trainSchema.parse(valuesOf(given)), sources.env, capacity);
  checkTogether(config, given);
  checkHeld(config, given.workers?.from ?? flagOf('workers'), capacity);
  const unused = withoutEffect(config, given, sources.flags);
  return { config, explicit: new Set(Object.keys(given) as OptionKey[]), unused };
}

/** The part of a config that decides the bits: the same wherever the run is computed. */
export function bitsOf(config: TrainConfig): Readonly<Record<string, unknown>> {
  const given = BITS.filter((key) => config[key] !== undefined && key !== 'init');
  return Object.fromEntries(given.map((key) => [key, config[key]]));
}

/** Options whose values may hold a secret anywhere: they are in no file of the run, and are never printed. */
export const NEVER_WRITTEN: ReadonlySet<OptionKey> = new Set(['notify', 'checkpointCommand']);

/** Whether an option's value may hold a secret: the URL for remote write does by its user or query. */
export function isSecret(key: OptionKey, { remoteWrite }: TrainConfig): boolean {
  if (NEVER_WRITTEN.has(key)) return true;
  if (key !== 'remoteWrite' || remoteWrite === undefined) return false;
  if (!URL.canParse(remoteWrite)) return true;
  const { username, password, search } = new URL(remoteWrite);
  return username !== '' || password !== '' || search !== '';
}

/** --data of a command that reads a run's results; a named set is found by its digest, or its name in run.json. */
export function dataAgain({ data }: Pick<TrainConfig, 'data'>): Readonly<Record<string, string>> {
  return data === undefined || namedSet(data) !== undefined ? {} : { [flagOf('data')]: data };
}

/** Fills in what depends on other options or on the machine. */
export function decide(options: Options, env: Sources['env'], capacity: Capacity): TrainConfig {
  const { out, data, init, model, tokenFile, tlsCert, tlsKey, metricsTokenFile, metricsTargets } = options;
  const { remoteWriteTokenFile, logFile } = options;
  const config = {
    ...options,
    workers: options.workers === 'auto' ? usefulWorkers(options) : options.workers,
    warmup: options.warmup ?? defaultWarmup(options),
    weightDecay: options.weightDecay ?? optimizerOf(options.optimizer).defaultWeightDecay,
    ...(out === undefined ? {} : { out: callerPath(out, env) }),
    ...(data === undefined ? {} : { data: dataPath(data, env) }),
    ...(init === undefined || init === LATEST ? {} : { init: callerPath(init, env) }),
    ...(typeof model === 'string' && !isPreset(model) ? { model: callerPath(model, env) } : {}),
    ...filePaths({ tokenFile, tlsCert, tlsKey, metricsTokenFile, metricsTargets, remoteWriteTokenFile, logFile }, env),
  };
  return options.workers === 'auto' ? { ...config, workers: capacity.afforded(config, config.workers) } : config;
}

/** A table has the whole course of the learning rate. */
function defaultWarmup({ schedule, iterations }: Pick<Options, 'schedule' | 'iterations'>): number {
  return isTable(schedule) ? 0 : Math.min(200, Math.floor(iterations / 5));
}

/** A worker for each processor, but no more than shards: the others would have nothing to do. */
export function usefulWorkers({ batch, shardSize }: Pick<TrainConfig, 'batch' | 'shardSize'>): number {
  return Math.min(processorCount(), Math.max(1, Math.floor(batch / shardSize)));
}

/** @throws UsageError if there are more workers than one shared memory holds; `from` is where their number comes from */
export function checkHeld(config: TrainConfig, from: string, capacity: Capacity): void {
  const { batch, shardSize, workers } = config;
  const held = capacity.held(config, workers);
  if (held >= workers) return;
  throw new UsageError(
    `${from}: expected at most ${held}, which is what a shared memory of 4 GiB holds for a batch of ${batch} in shards of ` +
      `${shardSize}, but got ${workers}. Give fewer, or auto.`,
    { option: 'workers' },
  );
}

/** A folder's path, absolute; the name of a set as it is. */
const dataPath = (data: string, env: Sources['env']) => (namedSet(data) === undefined ? callerPath(data, env) : data);

type FileKey =
  | 'tokenFile'
  | 'tlsCert'
  | 'tlsKey'
  | 'metricsTokenFile'
  | 'metricsTargets'
  | 'remoteWriteTokenFile'
  | 'logFile';

function filePaths(files: Partial<Pick<Options, FileKey>>, env: Sources['env']): Pick<Options, FileKey> {
  const given = Object.entries(files).filter((entry): entry is [FileKey, string] => entry[1] !== undefined);
  return Object.fromEntries(given.map(([key, path]) => [key, callerPath(path, env)]));
}

/** The options of a command that only reads a run, resolved in the same way. */
export interface ReadConfig {
  readonly backend: TrainConfig['backend'];
  readonly kernel: TrainConfig['kernel'];
  readonly data: string | undefined;
  /** How it is read, as far as that was given. */
  readonly reading: Pick<TrainConfig, ReadingKey>;
  readonly json: boolean;
}

/** @throws UsageError as `resolveTrainConfig` */
export function resolveReadConfig(sources: Sources): ReadConfig {
  const { backend, kernel, data, json, ...reading } = trainSchema
    .pick({ backend: true, kernel: true, data: true, json: true, testSplit: true, target: true, resize: true })
    .parse(valuesOf(readSources(sources, ['backend', 'kernel', 'data', 'json', ...READING_KEYS])));
  return { backend, kernel, data: data === undefined ? undefined : dataPath(data, sources.env), reading, json };
}

/** The output of a long-running command. */
export type ConsoleConfig = Pick<TrainConfig, 'logLevel' | 'logFormat' | 'logFile'>;

const NODE = { kernel: true, tokenFile: true, onHangup: true, logLevel: true, logFormat: true, logFile: true } as const;

/** The options that a node shares with a coordinator. */
export type NodeConfig = Pick<TrainConfig, keyof typeof NODE>;

/** @throws UsageError as `resolveTrainConfig` */
export function resolveNodeConfig(sources: Sources): NodeConfig {
  const given = valuesOf(readSources(sources, Object.keys(NODE) as OptionKey[]));
  const { tokenFile, logFile, ...config } = trainSchema.pick(NODE).parse(given);
  return { ...config, ...filePaths({ tokenFile, logFile }, sources.env) };
}

const PAGE = { metricsPort: true, metricsHost: true, metricsTokenFile: true, plaintext: true } as const;

/** Where the page and the metrics are served, and to whom. */
export interface ResolvedPageConfig extends Pick<ResolvedTrainConfig, 'explicit' | 'unused'> {
  readonly config: Pick<TrainConfig, keyof typeof PAGE>;
}

/** The config of a command that only serves the page. @throws UsageError as `resolveTrainConfig` */
export function resolvePageConfig(sources: Sources): ResolvedPageConfig {
  const given = readSources(sources, Object.keys(PAGE) as OptionKey[]);
  const { metricsTokenFile, ...config } = trainSchema.pick(PAGE).parse(valuesOf(given));
  if (config.metricsPort === 'off') {
    throw new UsageError(
      `${given.metricsPort?.from}: the page needs a port, but this is off. Give a port, or leave it out.`,
    );
  }
  const files = filePaths({ metricsTokenFile }, sources.env);
  return {
    config: { ...config, ...files },
    explicit: new Set(Object.keys(given) as OptionKey[]),
    unused: withoutEffect(config, given, sources.flags),
  };
}

/** The values of options, by key. */
export function valuesOf(given: GivenOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([key, { value }]) => [key, value]));
}
