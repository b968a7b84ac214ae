import { dirname, isAbsolute, join } from 'node:path';
import { runsUnder } from '../coordinator/run/find.ts';
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
 * The paths of runs of a folder, each once, which are given by name, path or `latest`. Whether one directly below it is a run isn't checked.
 * @throws UsageError if one isn't below the folder
 */
export async function runsBelow(folder: string, names: readonly string[], naming: NamingFlag): Promise<string[]> {
  const listed = (await runsUnder(folder)).map(({ path }) => path);
  const newest = listed.find((path) => dirname(path) === folder);
  const pathOf = (name: string): string => (name === LATEST && newest) || runBelow(folder, name, listed, naming);
  return [...new Set(names.map(pathOf))];
}

function runBelow(folder: string, name: string, listed: readonly string[], { flag, usage, done }: NamingFlag): string {
  const paths = [callerPath(name, process.env), ...(isAbsolute(name) ? [] : [join(folder, name)])];
  const isBelow = (path: string): boolean => dirname(path) === folder && path !== folder;
  const path = paths.find((each) => listed.includes(each)) ?? paths.find(isBelow);
  if (path !== undefined) return path;
  throw new UsageError(
    `${flag} ${name}: expected a run below ${folder}, by the name that \`${commandLine('runs', process.env)}\` shows. ` +
      `For another folder: ${commandLine(`runs FOLDER ${usage}`, process.env)}. Nothing was ${done}.`,
  );
}
