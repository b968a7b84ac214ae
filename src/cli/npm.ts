import { flagOf, OPTION_KEYS } from '../shared/config/schema.ts';
import { UsageError } from '../shared/errors.ts';

/** Also a setting of npm's own, so its presence says nothing. */
const NPM_SETTINGS: ReadonlySet<string> = new Set(['json']);

/**
 * `npm start --seed=3` keeps the flag for npm, which leaves it in npm_config_seed; the run would start without it.
 * @throws UsageError where that happened
 */
export function refuseSwallowedFlags(env: Readonly<Record<string, string | undefined>>): void {
  const script = env.npm_lifecycle_event;
  if (script !== 'start' && script !== 'lockstep') return;
  for (const key of OPTION_KEYS) {
    const flag = flagOf(key);
    const variable = `npm_config_${flag.slice(2).replaceAll('-', '_')}`;
    if (NPM_SETTINGS.has(key) || env[variable] === undefined) continue;
    const command = script === 'start' ? 'npm start' : 'npm run lockstep';
    throw new UsageError(`npm kept ${flag} for itself. Put \`--\` before the flags: ${command} -- ${flag} …`);
  }
}
