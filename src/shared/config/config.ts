import type { z } from 'zod';
import { namedSet } from '../data/registry.ts';
import { READING_KEYS, type ReadingKey } from '../data/source.ts';
import { optimizerOf } from '../engine/optimizers/registry.ts';
import { BALANCED, isPreset } from '../model/registry.ts';
import { UsageError } from '../util/errors.ts';
import { callerPath } from '../util/paths.ts';
import { processorCount } from '../util/processors.ts';
import { checkTogether, checkValidation, checkWorkers } from './check-together.ts';
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

const UNLIMITED: Capacity = { held: (_, upTo) => upTo, afforded: (_, upTo) => upTo };

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

/**
 * What a resumed run takes from its run.json: what decides the bits, the intervals, the number of workers, and how data are read. A
 * run directory is data, which somebody else may have made: paths, URLs, hosts, credentials and switches come from this process's own sources alone.
 */
const TAKEN_FROM_RUN: ReadonlySet<OptionKey> = new Set([
  ...BITS,
  'evaluateEvery',
  'checkpointEvery',
  'checkpointMinutes',
  'logEvery',
  'keep',
  'keepBest',
  'workers',
  ...READING_KEYS,
]);
/** Options of a single command, or of a machine: nothing is missing if a resumed run lacks them. */
const OWN_TO_A_COMMAND: ReadonlySet<OptionKey> = new Set(['kernel', 'json', 'out', 'resume', 'forceUnlock']);

/** What the command that resumes a run is given again, by flag: all that differs from the defaults and isn't taken from the run. */
export function givenAgain(config: TrainConfig): Readonly<Record<string, string | true>> {
  const keys = OPTION_KEYS.filter((key) => !TAKEN_FROM_RUN.has(key) && !OWN_TO_A_COMMAND.has(key) && key !== 'data');
  const changed = keys.filter((key) => config[key] !== trainSchema.shape[key].safeParse(undefined).data);
  return { ...dataAgain(config), ...typedOptions(config, changed) };
}

/** Options of a config as a command that is printed gives them, by flag; without those whose values may hold a secret. */
export function typedOptions(config: TrainConfig, keys: readonly OptionKey[]): Readonly<Record<string, string | true>> {
  const shown = keys.filter((key) => !isSecret(key, config));
  return Object.fromEntries(shown.map((key) => [flagOf(key), config[key] === true || String(config[key])]));
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

/** A resumed run's config, and which of the values that were given it can't take. */
export interface ResumedTrainConfig extends ResolvedTrainConfig {
  /** Options that were given when the run began, and that this process has to be given again. */
  readonly notTaken: readonly OptionKey[];
  /** The model that this process was given; it has to be the run's own. */
  readonly givenModel: TrainConfig['model'];
  /** A line for each option that would change the bits. */
  readonly refused: readonly string[];
}

/**
 * The config of a resumed run: what decides the bits is the run's own. The rest is given; or, for intervals and workers, the
 * run's own if it was given then, as far as this machine has use for as many workers; or a default. Iterations may be raised if the learning rate doesn't depend on them.
 * @throws UsageError as `resolveTrainConfig`
 */
export function resumeTrainConfig(
  sources: Sources,
  { config: own, explicit }: ResolvedTrainConfig,
  capacity = UNLIMITED,
): ResumedTrainConfig {
  const given = readSources(sources, OPTION_KEYS);
  const isTaken = (key: OptionKey): boolean =>
    TAKEN_FROM_RUN.has(key) || (key === 'data' && namedSet(own.data) !== undefined);
  const taken = new Set([...BITS, ...[...explicit].filter(isTaken)]);
  const base = Object.fromEntries(Object.entries(own).filter(([key]) => taken.has(key as OptionKey)));
  const { out, resume, forceUnlock, ...values } = valuesOf(given);
  // The same command starts a run and continues it: its preset is compared as flags are.
  const isAuto = resume === AUTO;
  if (!isAuto && (sources.flags.preset !== undefined || sources.env.LOCKSTEP_PRESET)) {
    throw new UsageError('--preset: a resumed run has its options already. Leave it out.');
  }
  if (!isAuto && out !== undefined) {
    throw new UsageError(`${given.out?.from}: a resumed run stays in its directory. Leave it out.`);
  }
  const options = trainSchema.parse({ ...base, ...values, resume, forceUnlock });
  const decided = decide(options, sources.env, capacity);
  const useful = decide({ ...options, workers: 'auto' }, sources.env, capacity);
  const isGiven = given.workers !== undefined;
  const config = isGiven ? decided : { ...decided, workers: Math.min(decided.workers, useful.workers) };
  checkHeld(config, given.workers?.from ?? flagOf('workers'), capacity);
  checkWorkers(config, given.workers?.from ?? "The run's number of workers, 0");
  checkValidation(config, given);
  // A model that is given is only comparable once the data set is known, and so are balanced weights.
  const comparable = [...BITS, ...(own.patience > 0 ? (['evaluateEvery'] as const) : [])].filter(
    (key) => key !== 'model' && config[key] !== BALANCED,
  );
  const refused = comparable
    .filter((key) => config[key] !== own[key] && !mayChange(key, own, config))
    .map((key) => `${given[key]?.from ?? flagOf(key)}: the run has ${own[key] ?? 'none'}, but this is ${config[key]}`);
  return {
    config: { ...config, out: own.out, model: own.model },
    givenModel: given.model === undefined ? undefined : config.model,
    explicit: new Set(
      [...explicit].filter((key) => taken.has(key) || key === 'out').concat(Object.keys(given) as OptionKey[]),
    ),
    notTaken: [...explicit].filter(
      (key) =>
        !(taken.has(key) || OWN_TO_A_COMMAND.has(key) || key in given) &&
        (own[key] !== config[key] || NEVER_WRITTEN.has(key)),
    ),
    refused,
    unused: withoutEffect(config, given, sources.flags),
  };
}

function mayChange(key: OptionKey, own: TrainConfig, config: TrainConfig): boolean {
  const isLonger = key === 'iterations' && own.schedule === 'constant' && config.iterations > own.iterations;
  // The last round of a longer run would have had more steps.
  return isLonger && (own.replicas === 1 || own.iterations % own.syncEvery === 0);
}

/** Fills in what depends on other options or on the machine. */
function decide(options: Options, env: Sources['env'], capacity: Capacity): TrainConfig {
  const { out, data, init, model, tokenFile, tlsCert, tlsKey, metricsTokenFile, metricsTargets } = options;
  const { remoteWriteTokenFile, logFile } = options;
  const config = {
    ...options,
    workers: options.workers === 'auto' ? usefulWorkers(options) : options.workers,
    warmup: options.warmup ?? Math.min(200, Math.floor(options.iterations / 5)),
    weightDecay: options.weightDecay ?? optimizerOf(options.optimizer).defaultWeightDecay,
    ...(out === undefined ? {} : { out: callerPath(out, env) }),
    ...(data === undefined ? {} : { data: dataPath(data, env) }),
    ...(init === undefined || init === LATEST ? {} : { init: callerPath(init, env) }),
    ...(typeof model === 'string' && !isPreset(model) ? { model: callerPath(model, env) } : {}),
    ...filePaths({ tokenFile, tlsCert, tlsKey, metricsTokenFile, metricsTargets, remoteWriteTokenFile, logFile }, env),
  };
  return options.workers === 'auto' ? { ...config, workers: capacity.afforded(config, config.workers) } : config;
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

function valuesOf(given: GivenOptions): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).map(([key, { value }]) => [key, value]));
}
