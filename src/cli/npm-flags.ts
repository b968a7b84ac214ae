import { flagOf, OPTION_KEYS } from '../shared/config/schema.ts';
import { commandLine, scriptOf } from '../shared/util/command-line.ts';
import { UsageError } from '../shared/util/errors.ts';

/** Settings of npm itself, whose presence proves nothing. */
const NPM_SETTINGS: ReadonlySet<string> = new Set(['json']);

/**
 * `npm start --seed=3` keeps the flag for npm, which leaves it in npm_config_seed; the run would start without it.
 * @throws UsageError if that happened
 */
export function refuseSwallowedFlags(command: string | undefined, env: NodeJS.ProcessEnv): void {
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
