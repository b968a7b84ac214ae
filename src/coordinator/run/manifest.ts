import { randomBytes } from 'node:crypto';
import { arch, cpus, hostname, platform } from 'node:os';
import { z } from 'zod';
import type { Digests } from '../../shared/checkpoint/checkpoint.ts';
import { NEVER_WRITTEN, type ResolvedTrainConfig, type TrainConfig } from '../../shared/config/config.ts';
import { OPTION_KEYS, type OptionKey, trainSchema, WorkerCount } from '../../shared/config/schema.ts';
import { isTable } from '../../shared/engine/schedule-table.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { firstNotIn, parseJson } from '../../shared/util/json.ts';
import { readPlainFile } from '../../shared/util/plain-file.ts';
import { printable } from '../../shared/util/printable.ts';
import { version } from '../../shared/util/version.ts';
import { commit } from './commit.ts';
import { MANIFEST, manifestFile } from './files.ts';
import { type Summary, SummarySchema } from './summary.ts';

/** A run whose process was killed stays `running`, with a stale lock. */
const STATES = ['running', 'stopped', 'failed', 'finished'] as const;
export type RunState = (typeof STATES)[number];

/** A run.json has a few kilobytes, and some hundred bytes more for each attempt. */
const MAX_BYTES = 1 << 24;

const Time = z.iso.datetime();
const Count = z.int().nonnegative();

/** The part of a run that one process computed. */
const AttemptSchema = z.object({
  started: Time,
  ended: Time.optional(),
  /** Updates done when it began. */
  from: Count,
  /** Updates done when it ended. */
  steps: Count.optional(),
  iterations: z.int().positive(),
  /** Steps between lines of its log (default: 1). */
  logEvery: z.int().positive().optional(),
  workers: Count,
  host: z.string(),
  pid: Count,
});

const ManifestSchema = z.object({
  name: z.string(),
  /** Tells runs of one name apart; earlier versions wrote none. */
  id: z
    .string()
    .regex(/^[0-9a-z-]{1,64}$/)
    .optional(),
  state: z.enum(STATES),
  started: Time,
  ended: Time.optional(),
  /** The resolved configuration. */
  config: z.record(z.string(), z.unknown()),
  /** The options that were given; all others have their defaults. */
  explicit: z.array(z.string()),
  digests: z.object({ dataset: z.string(), numerics: z.string(), init: z.string().optional() }),
  dataset: z.string(),
  versions: z.record(z.string(), z.string()),
  git: z.object({ commit: z.string(), clean: z.boolean() }).optional(),
  host: z.record(z.string(), z.unknown()),
  addresses: z.record(z.string(), z.string()),
  attempts: z.array(AttemptSchema).min(1),
  /** The hash chain's last value. */
  chain: z.string().optional(),
  /** The message of the error that ended the run. */
  failure: z.string().optional(),
  result: SummarySchema.optional(),
});

export type Attempt = z.output<typeof AttemptSchema>;

/** The contents of run.json: everything that decides the run's bits, where it ran, and its result. */
export type Manifest = Omit<z.output<typeof ManifestSchema>, 'config' | 'explicit' | 'result'> &
  ResolvedTrainConfig & { readonly result?: Summary | undefined };

export interface ManifestOptions extends ResolvedTrainConfig {
  readonly name: string;
  readonly id?: string | undefined;
  readonly digests: Digests;
  /** The data set's name. */
  readonly dataset: string;
  readonly started: Date;
  /** Updates done before this attempt. */
  readonly from: number;
  readonly metricsUrl: string | undefined;
  /** The manifest so far, if the run is resumed. */
  readonly previous?: Manifest | undefined;
}

/** A random id for a new run. It decides nothing that is computed. */
export function newRunId(): string {
  return randomBytes(8).toString('hex');
}

/** The manifest of a run at the beginning of an attempt. */
export async function manifestOf(options: ManifestOptions): Promise<Manifest> {
  const { name, id, config, explicit, digests, dataset, started, from, metricsUrl, previous } = options;
  const { iterations, logEvery, workers } = config;
  const thinned = logEvery === 1 ? {} : { logEvery };
  const attempt = { started: started.toISOString(), from, iterations, ...thinned, workers };
  const checkout = await commit();
  return {
    name,
    ...(id !== undefined && { id }),
    state: 'running',
    started: previous?.started ?? attempt.started,
    config,
    explicit,
    digests,
    dataset,
    versions: { lockstep: version(), node: process.version, v8: process.versions.v8 },
    ...(checkout && { git: checkout }),
    host: {
      name: hostname(),
      platform: platform(),
      arch: arch(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cpus: cpus().length,
    },
    addresses: metricsUrl === undefined ? {} : { metrics: `${metricsUrl}/metrics` },
    attempts: [...(previous?.attempts ?? []), { ...attempt, host: hostname(), pid: process.pid }],
  };
}

export interface Ending {
  readonly state: RunState;
  /** Updates done. */
  readonly steps: number;
  readonly chain: string;
  readonly failure?: string;
  readonly result?: Summary;
}

/** The manifest of a run at the end of an attempt. */
export function ended(manifest: Manifest, { steps, failure, ...ending }: Ending): Manifest {
  const at = new Date().toISOString();
  const attempts = manifest.attempts.with(-1, { ...(manifest.attempts.at(-1) as Attempt), ended: at, steps });
  const told = failure === undefined ? {} : { failure: printable(failure) };
  return { ...manifest, ...ending, ...told, ended: at, attempts };
}

/**
 * The number, from 1, of the attempt that wrote a step to the log. Each attempt first cuts the log to the step at which it begins, so
 * a step was written by the last attempt that began before it.
 */
export function attemptOf(step: number, attempts: readonly Pick<Attempt, 'from'>[]): number {
  return attempts.findLastIndex(({ from }) => from < step) + 1;
}

/** A manifest as run.json holds it. */
export type ManifestJson = Omit<Manifest, 'config' | 'explicit'> & {
  readonly config: Omit<TrainConfig, 'resume' | 'forceUnlock' | 'notify' | 'checkpointCommand' | 'tag' | 'note'>;
  readonly explicit: readonly string[];
};

export function manifestJson({ config, explicit, ...rest }: Manifest): ManifestJson {
  // These options belong to the command that started the attempt, not to the run, or are in notes.json.
  const { resume: _, forceUnlock: __, notify: ___, checkpointCommand: ____, tag: _____, note: ______, ...own } = config;
  const given = [...explicit].filter((key) => Object.hasOwn(own, key) || NEVER_WRITTEN.has(key)).sort();
  const { name, id, state, started, ended, ...others } = rest;
  return { name, id, state, started, ended, config: own, explicit: given, ...others };
}

/** @throws RunDirectoryError if a run directory has no run.json, or one that this version can't read */
export async function readManifest(run: string): Promise<Manifest> {
  const file = manifestFile(run);
  const json = await readJson(run);
  const parsed = ManifestSchema.safeParse(json);
  const config = parsed.data === undefined ? undefined : ConfigSchema.safeParse(parsed.data.config);
  if (parsed.success && config?.success === true) {
    const explicit = new Set(parsed.data.explicit.filter(isOption));
    return { ...parsed.data, config: config.data as TrainConfig, explicit };
  }
  const issue = (parsed.error ?? config?.error)?.issues[0];
  throw new RunDirectoryError(
    `${file} can't be used by this version (${issue?.path.join('.')}: ${issue?.message}). ` +
      'Use the version of Lockstep that wrote it.',
    { cause: parsed.error ?? config?.error },
  );
}

/** The first value in run.json that this version doesn't know, or wouldn't write as it is; undefined if there is none. */
export async function unknownField(run: string, manifest: Manifest): Promise<string | undefined> {
  return firstNotIn(JSON.parse(JSON.stringify(manifestJson(manifest))), await readJson(run));
}

async function readJson(run: string): Promise<unknown> {
  const file = manifestFile(run);
  try {
    return parseJson(String(await readPlainFile(file, MAX_BYTES)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT'
        ? `${run} isn't a run directory, or its run never began: it has no ${MANIFEST}`
        : `${file} can't be read: ${message}`;
    throw new RunDirectoryError(`${problem}. Name another run, or start a new one.`, { cause: error });
  }
}

// In a resolved config, the options whose defaults depend on others, or on the machine, have values.
export const ConfigSchema = trainSchema
  .required({ warmup: true, weightDecay: true })
  .extend({ workers: WorkerCount })
  .refine(({ batch, shardSize, replicas }) => batch % (shardSize * replicas) === 0, {
    path: ['batch'],
    error: 'expected a multiple of shardSize and replicas',
  })
  .refine(({ schedule, warmup }) => !isTable(schedule) || warmup === 0, {
    path: ['warmup'],
    error: 'expected 0 with a table as schedule',
  })
  .refine(({ validation, patience, keepBest }) => validation > 0 || (patience === 0 && !keepBest), {
    path: ['validation'],
    error: 'expected more than 0 with patience or keepBest',
  });

function isOption(key: string): key is OptionKey {
  return OPTION_KEYS.includes(key as OptionKey);
}
