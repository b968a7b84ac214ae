// What a resumed run keeps of its options, and what the command that resumes it is given again.
import { namedSet } from '../data/registry.ts';
import { READING_KEYS } from '../data/source.ts';
import { BALANCED } from '../model/registry.ts';
import { UsageError } from '../util/errors.ts';
import { checkValidation, checkWorkers } from './check-together.ts';
import { isSameOption, shownOption } from './compare-options.ts';
import {
  AUTO,
  BITS,
  checkHeld,
  dataAgain,
  decide,
  isSecret,
  NEVER_WRITTEN,
  type ResolvedTrainConfig,
  type TrainConfig,
  UNLIMITED,
  valuesOf,
} from './config.ts';
import { flagOf, OPTION_KEYS, type OptionKey, trainSchema } from './schema.ts';
import { readSources, type Sources } from './sources.ts';
import { withoutEffect } from './without-effect.ts';

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
    .filter((key) => !isSameOption(key, own, config) && !mayChange(key, own, config))
    .map((key) => {
      const [before, now] = [shownOption(key, own) ?? 'none', shownOption(key, config)];
      return `${given[key]?.from ?? flagOf(key)}: the run has ${before}, but this is ${now}`;
    });
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

/** Whether a run with one config may go on with the other, though an option that decides the bits differs. */
export function mayChange(key: OptionKey, own: TrainConfig, config: TrainConfig): boolean {
  const isLonger = key === 'iterations' && own.schedule !== 'cosine' && config.iterations > own.iterations;
  // The last round of a longer run would have had more steps.
  return isLonger && (own.replicas === 1 || own.iterations % own.syncEvery === 0);
}
