type Environment = Readonly<Record<string, string | undefined>>;

/** How a person types one of our commands, given as `train --seed 3`: through npm's scripts if this process was started so. */
export function commandLine(command: string, env: Environment): string {
  const script = scriptOf(env);
  if (script === undefined) return `lockstep ${command}`;
  if (command === 'train') return 'npm start';
  if (command.startsWith('train ')) return `npm start -- ${command.slice('train '.length)}`;
  return `npm run lockstep -- ${command}`;
}

/** The npm script that started this process; undefined if none of ours did. */
export function scriptOf(env: Environment): 'start' | 'lockstep' | undefined {
  const script = env.npm_lifecycle_event;
  return script === 'start' || script === 'lockstep' ? script : undefined;
}
