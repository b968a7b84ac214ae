import { resolve } from 'node:path';

/**
 * A path as the person who typed it meant it. npm runs scripts in the package's folder and leaves the caller's own in
 * INIT_CWD, so a relative path resolves against that where it is set, else against the working folder.
 */
export function callerPath(path: string, env: NodeJS.ProcessEnv): string {
  return resolve(env.INIT_CWD || process.cwd(), path);
}
