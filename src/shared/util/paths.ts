import { resolve } from 'node:path';

/** The scripts of package.json that hand a person's command line on. */
const SCRIPTS: readonly (string | undefined)[] = ['start', 'lockstep'];

/**
 * A path as the person who typed it meant it. npm runs our scripts in the package's folder and leaves the caller's own in
 * INIT_CWD, so there a relative path resolves against that, else against the working folder.
 */
export function callerPath(path: string, env: NodeJS.ProcessEnv): string {
  const folder = SCRIPTS.includes(env.npm_lifecycle_event) ? env.INIT_CWD : undefined;
  return resolve(folder || process.cwd(), path);
}
