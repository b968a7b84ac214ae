import { readFileSync } from 'node:fs';
import { editedText } from '../util/edited-text.ts';
import { UsageError } from '../util/errors.ts';
import { parseJson } from '../util/json.ts';
import { nearest } from '../util/nearest.ts';
import { callerPath } from '../util/paths.ts';
import { defaultText, expectedText } from './option-text.ts';
import { readPreset } from './presets.ts';
import { flagOf, OPTION_KEYS, type OptionKey, trainSchema, variableOf } from './schema.ts';

export interface Sources {
  /**
   * Values by option key, as the command line gave them; undefined if a flag is absent. `config` names a config file, `preset` a
   * file of configs/.
   */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The same as a caller of the library gave them. */
  readonly options?: Readonly<Record<string, unknown>>;
  readonly env: NodeJS.ProcessEnv;
}

/** A value and where it came from, as error messages name it. */
export interface Given {
  readonly value: unknown;
  readonly from: string;
}

export type GivenOptions = Partial<Record<OptionKey, Given>>;

const PREFIX = 'LOCKSTEP_';
/** LOCKSTEP_* variables that aren't options. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(
  ['DEBUG', 'CONFIG', 'PRESET', 'MNIST_MIRRORS', 'DATA_MIRRORS', 'TOKEN', 'METRICS_TOKEN', 'REMOTE_WRITE_TOKEN'].map(
    (name) => PREFIX + name,
  ),
);
const VARIABLES: ReadonlyMap<string, OptionKey> = new Map(OPTION_KEYS.map((key) => [variableOf(key), key]));
/** What Kubernetes sets in each pod beside a Service that is called lockstep, or lockstep-NAME. */
const OF_SERVICE =
  /^LOCKSTEP(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/;
/** The address of such a Service, whose variable may have the name of an option: that of lockstep-metrics is LOCKSTEP_METRICS_PORT. */
const ADDRESS_OF_SERVICE = /^LOCKSTEP_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp):\/\//;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * The values given to `keys`, each checked: flags and options over environment over config file over preset.
 * @throws UsageError for an unknown option or an impossible value, whichever source holds it
 */
export function readSources({ flags, options = {}, env }: Sources, keys: readonly OptionKey[]): GivenOptions {
  const file = flags.config ?? (env.LOCKSTEP_CONFIG || undefined);
  const preset = flags.preset ?? (env.LOCKSTEP_PRESET || undefined);
  const given: GivenOptions = {
    ...(preset === undefined ? {} : fromPreset(String(preset))),
    ...(file === undefined ? {} : fromFile(callerPath(String(file), env))),
    ...fromEnvironment(env),
    ...fromFlags(flags),
    ...fromObject(options, 'the options'),
  };
  return Object.fromEntries(Object.entries(given).filter(([key]) => keys.includes(key as OptionKey)));
}

function fromFlags(flags: Sources['flags']): GivenOptions {
  const given: GivenOptions = {};
  for (const [key, value] of Object.entries(flags)) {
    if (key === 'config' || key === 'preset' || value === undefined) continue;
    if (!isOption(key)) throw new UsageError(`${flagOf(key)} is not a flag. See --help.`);
    given[key] = check(key, { value, from: flagOf(key) }, true);
  }
  return given;
}

function fromEnvironment(env: Sources['env']): GivenOptions {
  const given: GivenOptions = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || OTHER_VARIABLES.has(name) || isOfService(name, value)) continue;
    const key = VARIABLES.get(name);
    if (key === undefined) {
      const known = [...VARIABLES.keys(), ...OTHER_VARIABLES].map((each) => each.slice(PREFIX.length));
      const meant = nearest(name.slice(PREFIX.length), known);
      throw new UsageError(
        `The environment variable ${name} is not an option of Lockstep.${hint(meant && PREFIX + meant)} Unset it; ` +
          '`lockstep train --help` lists the options.',
      );
    }
    // Compose files and shells pass "not set" as an empty value.
    if (value === undefined || value === '') continue;
    given[key] = check(key, { value, from: `${name} (environment variable)` }, true);
  }
  return given;
}

/** A line on the variables that Kubernetes sets for a Service, and that aren't options, whatever their names are; undefined: none. */
export function passedOverText(env: Sources['env']): string | undefined {
  const names = Object.keys(env).filter((name) => isOfService(name, env[name]));
  return names.length === 0 ? undefined : `Passed over variables of a Service of Kubernetes: ${names.join(', ')}.`;
}

function isOfService(name: string, value: string | undefined): boolean {
  return OF_SERVICE.test(name) || ADDRESS_OF_SERVICE.test(`${name}=${value}`);
}

function hint(meant: string | undefined): string {
  return meant === undefined ? '' : ` Perhaps ${meant} was meant.`;
}

function fromPreset(name: string): GivenOptions {
  return fromObject(readPreset(name).options, `the preset ${name}`);
}

function fromFile(path: string): GivenOptions {
  return fromObject(readObject(path), path);
}

function fromObject(options: object, path: string): GivenOptions {
  const given: GivenOptions = {};
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!isOption(key)) {
      const meant = nearest(key, OPTION_KEYS);
      throw new UsageError(
        `"${key}" in ${path} is not an option.${hint(meant && `"${meant}"`)} Remove it; \`lockstep train --help\` lists the options.`,
      );
    }
    given[key] = check(key, { value, from: `"${key}" in ${path}` }, false);
  }
  return given;
}

function readObject(path: string): object {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UsageError(`The config file ${path} can't be read: ${reason(error)}. Name a JSON file by --config.`, {
      cause: error,
    });
  }
  let value: unknown;
  try {
    value = parseJson(editedText(bytes));
  } catch (error) {
    const problem =
      error instanceof SyntaxError ? `is not JSON that can be used: ${reason(error)}` : "isn't UTF-8 text";
    throw new UsageError(`The config file ${path} ${problem}. It must hold one JSON object.`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError(`The config file ${path} must hold one JSON object, such as {"iterations": 1000}.`);
  }
  return value;
}

function check(key: OptionKey, given: Given, isText: boolean): Given {
  let reason = '';
  for (const value of isText ? readings(given.value) : [given.value]) {
    const parsed = trainSchema.shape[key].safeParse(value);
    if (parsed.success && value !== undefined) return { ...given, value: parsed.data };
    const issue = parsed.error?.issues.find(({ code }) => code === 'custom');
    if (issue !== undefined) reason = `, which ${issue.message}`;
  }
  const shown = typeof given.value === 'string' ? `"${given.value}"` : JSON.stringify(given.value);
  throw new UsageError(
    `${given.from}: expected ${expectedText(key)}, but got ${shown}${reason}. Change it, or leave it out for the default (${defaultText(key)}).`,
    { option: key },
  );
}

/** What a text may stand for; the option's schema picks. */
function readings(value: unknown): unknown[] {
  if (typeof value !== 'string') return [value];
  const all: unknown[] = [value];
  if (DECIMAL.test(value)) all.push(Number(value));
  if (value === 'true' || value === 'false') all.push(value === 'true');
  return all;
}

function isOption(key: string): key is OptionKey {
  return Object.hasOwn(trainSchema.shape, key);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
