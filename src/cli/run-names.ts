import { basename, dirname, join } from 'node:path';
import { runsIn } from '../coordinator/run/find.ts';
import { LATEST } from '../shared/config/config.ts';
import { commandLine } from '../shared/util/command-line.ts';
import { UsageError } from '../shared/util/errors.ts';
import { callerPath } from '../shared/util/paths.ts';

/** What changes runs that are named after a flag. */
export interface NamingFlag {
  readonly flag: string;
  /** The flag with its words, such as --remove NAME. */
  readonly usage: string;
  /** What was done to nothing, if a name is refused. */
  readonly done: string;
}

/**
 * The paths of runs of a folder, each once, which are given by name, path or `latest`.
 * @throws UsageError if one isn't directly below the folder
 */
export async function runsBelow(folder: string, names: readonly string[], naming: NamingFlag): Promise<string[]> {
  const newest = names.includes(LATEST) ? (await runsIn(folder))[0] : undefined;
  const named = names.map((name) => (name === LATEST && newest) || name);
  return [...new Set(named.map((name) => runBelow(folder, name, naming)))];
}

function runBelow(folder: string, name: string, { flag, usage, done }: NamingFlag): string {
  const path = basename(name) === name ? join(folder, name) : callerPath(name, process.env);
  if (dirname(path) === folder && path !== folder) return path;
  throw new UsageError(
    `${flag} ${name}: expected a run directly below ${folder}, by the name that \`${commandLine('runs', process.env)}\` shows. ` +
      `For another folder: ${commandLine(`runs FOLDER ${usage}`, process.env)}. Nothing was ${done}.`,
  );
}
