import { realpathSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { optionText, shellWord, typedPath } from './shown-path.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** How a process was started. */
export interface Invocation {
  /** The program, as it was called: `node`. */
  readonly program: string;
  /** The program's own options. */
  readonly options: readonly string[];
  /** The script's path, which may be a link. */
  readonly script: string | undefined;
}

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
/** The command of the package. */
const NAME = 'lockstep';

/** How a person types one of our commands, given as `train --seed 3`: in the way in which this process was started. */
export function commandLine(command: string, env: Environment, invocation = ownInvocation()): string {
  if (scriptOf(env) === undefined) return `${programOf(env, invocation)} ${command}`;
  const npm = npmOf(env);
  if (command === 'train') return `${npm} start`;
  if (command.startsWith('train ')) return `${npm} start -- ${command.slice('train '.length)}`;
  return `${npm} run lockstep -- ${command}`;
}

/** npm as it finds our package from the person's folder. */
function npmOf({ npm_package_json: file, INIT_CWD: folder }: Environment): string {
  if (file === undefined || folder === undefined || !relative(dirname(file), folder).startsWith('..')) return 'npm';
  return `npm --prefix ${typedPath(dirname(file))}`;
}

/** A command's words with its options, each typed so that its value is taken as such. Undefined: not given; true: a switch. */
export function withOptions(words: string, options: Readonly<Record<string, string | true | undefined>>): string {
  const given = Object.entries(options).filter((entry): entry is [string, string | true] => entry[1] !== undefined);
  return [words, ...given.map(([flag, value]) => optionText(flag, value))].join(' ');
}

/** The npm script that started this process; undefined if none of ours did. */
export function scriptOf(env: Environment): 'start' | 'lockstep' | undefined {
  const script = env.npm_lifecycle_event;
  return script === 'start' || script === 'lockstep' ? script : undefined;
}

function ownInvocation(): Invocation {
  return { program: process.argv0, options: process.execArgv, script: process.argv[1] };
}

function programOf(env: Environment, { program, options, script }: Invocation): string {
  // Another program that uses the library.
  if (script === undefined || !isMain(script)) return NAME;
  if (/\.[cm]?js$/.test(script)) return [program, ...options].map(shellWord).concat(typedPath(script)).join(' ');
  // npm has its packages' commands in PATH, and the person's shell hasn't.
  if (env.npm_lifecycle_event !== undefined) return `npx ${NAME}`;
  const inPath = (env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && isMain(join(folder, NAME)));
  return inPath ? NAME : typedPath(script);
}

function isMain(path: string): boolean {
  try {
    return realpathSync(path) === realpathSync(MAIN);
  } catch {
    return false;
  }
}
