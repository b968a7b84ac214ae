import type { z } from 'zod';
import { READING_KEYS } from '../data/source.ts';
import { OPTIMIZER_NAMES, OPTIMIZER_OPTIONS, optimizerOf } from '../engine/optimizers/registry.ts';
import { isLoopback } from '../util/loopback.ts';
import { type OptionKey, trainSchema } from './schema.ts';
import type { GivenOptions } from './sources.ts';

type Options = Partial<z.output<typeof trainSchema>>;

/** What an option needs to have an effect. */
interface Need {
  /** As a command line. */
  readonly text: string;
  readonly isMet: (config: Options) => boolean;
}

const LISTENS: Need = { text: '--listen', isMet: ({ listen }) => listen !== undefined };
const HAS_DATA: Need = { text: '--data', isMet: ({ data }) => data !== undefined };
const SERVES: Need = { text: '--metrics-port', isMet: ({ metricsPort }) => metricsPort !== 'off' };

const BEGINS: Need = {
  text: 'a new run (the command `runs` changes the tags and notes of others)',
  isMet: ({ resume }) => resume === undefined || resume === 'auto',
};

const NEEDS: Readonly<Partial<Record<OptionKey, Need>>> = {
  ...Object.fromEntries(Object.keys(OPTIMIZER_OPTIONS).map((key) => [key, optimizerNeed(key)])),
  ...Object.fromEntries(READING_KEYS.map((key) => [key, HAS_DATA])),
  rbfJ: { text: '--head rbf', isMet: ({ head }) => head === 'rbf' },
  tokenFile: LISTENS,
  tlsCert: LISTENS,
  tlsKey: LISTENS,
  plaintext: {
    text: '--listen or --metrics-host',
    isMet: ({ listen, metricsHost = '' }) => listen !== undefined || !isLoopback(metricsHost),
  },
  tag: BEGINS,
  note: BEGINS,
  metricsHost: SERVES,
  metricsTokenFile: SERVES,
  metricsTargets: SERVES,
  maxTimeExitCode: { text: '--max-time', isMet: ({ maxTime }) => maxTime !== undefined },
  remoteWriteTokenFile: { text: '--remote-write', isMet: ({ remoteWrite }) => remoteWrite !== undefined },
};

/**
 * A sentence for each option that was given but has no effect with the others. A config file may list defaults.
 * @param flags what the command line gave
 */
export function withoutEffect(
  config: Options,
  given: GivenOptions,
  flags: Readonly<Record<string, unknown>>,
): string[] {
  return Object.entries(given).flatMap(([name, { from, value }]) => {
    const key = name as OptionKey;
    const need = NEEDS[key];
    if (need === undefined || need.isMet(config)) return [];
    const isDefault = flags[key] === undefined && trainSchema.shape[key].safeParse(undefined).data === value;
    return isDefault ? [] : [`${from} has no effect without ${need.text}.`];
  });
}

function optimizerNeed(key: string): Need {
  const users = OPTIMIZER_NAMES.filter((name) => key in optimizerOf(name).options);
  return {
    text: `--optimizer ${users.join(' or ')}`,
    isMet: ({ optimizer }) => optimizer !== undefined && users.includes(optimizer),
  };
}
