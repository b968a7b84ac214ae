import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { DatasetError } from '../util/errors.ts';
import { callerPath } from '../util/paths.ts';
import { MNIST_FILES } from './mnist-files.ts';

/**
 * Finds the folder of MNIST: $MNIST_DIR, then the user's cache. A folder that a person named is the only one tried: falling through
 * from it would train on other data than was asked for.
 * @returns an absolute path
 * @throws DatasetError if the named folder isn't one, or where none was found
 */
export async function resolveDataFolder({ env }: { readonly env: NodeJS.ProcessEnv }): Promise<string> {
  if (env.MNIST_DIR) {
    const folder = callerPath(env.MNIST_DIR, env);
    await listDataFolder(folder, 'The folder given by $MNIST_DIR');
    return folder;
  }
  const cache = cacheFolder(env);
  if (await holdsDataFiles(cache)) return cache;
  throw new DatasetError(
    `No MNIST data set was found. Looked at $MNIST_DIR (not set) and ${cache} (no MNIST file there). ` +
      `Put ${MNIST_FILES.map((file) => file.name).join(', ')} (each as it is or with .gz) into a folder, ` +
      'and name it by --data or $MNIST_DIR.',
  );
}

/** Where this user's copy of MNIST is kept; it need not exist. */
export function cacheFolder(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  return join(cacheRoot(env, platform), 'mnist');
}

/** Where all that is kept for this user is; it need not exist. */
export function cacheRoot(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  const home = env.HOME || homedir();
  // The XDG specification has relative values ignored.
  const given = env.XDG_CACHE_HOME && isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  const caches = given ?? (platform === 'darwin' ? join(home, 'Library', 'Caches') : join(home, '.cache'));
  return join(caches, 'lockstep');
}

/**
 * The names in a data folder.
 * @throws DatasetError if it isn't there, isn't a folder or can't be read
 */
export async function listDataFolder(folder: string, origin = 'The data folder'): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ENOENT' ? "doesn't exist" : code === 'ENOTDIR' ? "isn't a folder" : `can't be read (${message})`;
    throw new DatasetError(
      `${origin}, ${folder}, ${problem}. Expected a folder that holds the four MNIST files: correct the path by --data or $MNIST_DIR.`,
      { file: folder, cause: error },
    );
  }
}

async function holdsDataFiles(cache: string): Promise<boolean> {
  try {
    const names = await listDataFolder(cache, "The user's cache");
    return MNIST_FILES.some(({ name }) => names.includes(name) || names.includes(`${name}.gz`));
  } catch (error) {
    const { code } = (error as DatasetError).cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    throw error;
  }
}
