import { flagOf, OPTION_KEYS } from '../config/schema.ts';
import { UsageError } from './errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Also a setting of npm's own, so its presence says nothing. */
const NPM_SETTINGS: ReadonlySet<string> = new Set(['json']);

/**
 * `npm start --seed=3` keeps the flag for npm, which leaves it in npm_config_seed; the run would start without it.
 * @throws UsageError where that happened
 */
export function refuseSwallowedFlags(command: string | undefined, env: Environment): void {
  if (scriptOf(env) === undefined) return;
  const flags = [...OPTION_KEYS, 'config', 'preset', 'format']
    .filter((key) => !NPM_SETTINGS.has(key))
    .map(flagOf)
    .filter((flag) => env[`npm_config_${flag.slice(2).replaceAll('-', '_')}`] !== undefined);
  if (flags.length === 0) return;
  const meant = commandLine([command ?? 'train', ...flags.map((flag) => `${flag} …`)].join(' '), env);
  throw new UsageError(
    `npm kept ${flags.join(' and ')} for itself. Put \`--\` before what is meant for Lockstep: ${meant}`,
  );
}

/** How a person types a command of ours, given as `train --seed 3`: through npm's scripts where this process came so. */
export function commandLine(command: string, env: Environment): string {
  const script = scriptOf(env);
  if (script === undefined) return `lockstep ${command}`;
  if (command === 'train') return 'npm start';
  if (command.startsWith('train ')) return `npm start -- ${command.slice('train '.length)}`;
  return `npm run lockstep -- ${command}`;
}

function scriptOf(env: Environment): 'start' | 'lockstep' | undefined {
  const script = env.npm_lifecycle_event;
  return script === 'start' || script === 'lockstep' ? script : undefined;
}
