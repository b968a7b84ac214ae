import type { Command } from 'commander';
import { commandLine, scriptOf } from '../shared/util/command-line.ts';
import { UsageError } from '../shared/util/errors.ts';

/** Settings of npm itself, whose presence proves nothing. */
const NPM_SETTINGS: ReadonlySet<string> = new Set(['--json', '--all']);

/**
 * `npm start --seed=3` keeps the flag for npm, which leaves it in npm_config_seed; the command would run without it.
 * @throws UsageError if that happened
 */
export function refuseSwallowedFlags({ commands }: Command, name: string | undefined, env: NodeJS.ProcessEnv): void {
  if (scriptOf(env) === undefined) return;
  const flags = (commands.find((command) => command.name() === name)?.options ?? [])
    .map(({ long }) => long ?? '')
    .filter((flag) => !NPM_SETTINGS.has(flag) && env[`npm_config_${flag.slice(2).replaceAll('-', '_')}`] !== undefined);
  if (flags.length === 0) return;
  const meant = commandLine([name, ...flags.map((flag) => `${flag} …`)].join(' '), env);
  throw new UsageError(
    `npm kept ${flags.join(' and ')} for itself. Put \`--\` before what is meant for Lockstep: ${meant}`,
  );
}
