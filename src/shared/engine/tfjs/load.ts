import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { BackendError } from '../../util/errors.ts';
import { typedPath } from '../../util/shown-path.ts';
import type { Tfjs } from './api.ts';

const PACKAGE = '@tensorflow/tfjs-node';
const ADDON = 'tfjs_binding.node';
const TOOLS = new URL('../../../../tools/', import.meta.url);

/** The command that sets it up here. */
export function tfjsSetup(): string {
  if (existsSync(new URL('build.js', TOOLS))) return 'npm run setup:tfjs';
  const program = fileURLToPath(new URL('setup-tfjs.js', TOOLS));
  if (existsSync(program)) return `node ${typedPath(program)}`;
  return 'docker build -f docker/Dockerfile -t lockstep:tensorflow --target tensorflow .';
}

/**
 * Read by the native library as it loads. One thread an operation: a core belongs to a worker, and sums that are split over
 * threads would depend on how many there are. oneDNN makes LeNet-5 twice as fast.
 */
function environment(threads: number): Readonly<Record<string, string>> {
  return { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: '1', TF_ENABLE_ONEDNN_OPTS: '1' };
}

/** From where the set-up puts the package; and then, as from here, where a program has it that Lockstep is part of. */
const require = createRequire(new URL('tfjs/', TOOLS));

/** Why the backend can't work here, and what to do; undefined if its files are in place. Loads nothing. */
export function tfjsProblem(): string | undefined {
  let folder: string;
  try {
    folder = dirname(require.resolve(`${PACKAGE}/package.json`));
  } catch {
    return `${PACKAGE} isn't installed, an optional package: run \`${tfjsSetup()}\` (about 210 MB, a minute or two).`;
  }
  const lib = join(folder, 'lib');
  const hasAddon = existsSync(lib) && readdirSync(lib).some((name) => existsSync(join(lib, name, ADDON)));
  return hasAddon
    ? undefined
    : `Native TensorFlow isn't set up: run \`${tfjsSetup()}\` (about 210 MB, a minute or two).`;
}

/**
 * To be called in the main thread before any thread loads the library: a worker's process.env is a copy that native code
 * doesn't see.
 * @throws BackendError if the backend isn't set up
 */
export function prepareTfjs(threads = 1): void {
  const problem = tfjsProblem();
  if (problem !== undefined) throw new BackendError(`The backend tfjs can't be used: ${problem}`);
  Object.assign(process.env, environment(threads));
  // Otherwise it prints in each thread which instructions it was built for.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1';
}

/**
 * Loads the library into this thread.
 * @param threads of an operation; a benchmark alone takes more than one
 * @throws BackendError if it isn't set up
 */
export function loadTfjs(threads = 1): Tfjs {
  if (isMainThread) prepareTfjs(threads);
  for (const [name, value] of Object.entries(environment(threads))) {
    if (process.env[name] !== value) throw new BackendError(`${name} must be ${value} before the library loads.`);
  }
  restoreUtil();
  try {
    return require(PACKAGE) as Tfjs;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError(`Native TensorFlow doesn't load (${reason}). Run \`${tfjsSetup()}\`.`, { cause });
  }
}

/** Node 23 took away two functions of `util` that the package calls in every operation. */
function restoreUtil(): void {
  const own = require('node:util') as Record<string, unknown>;
  own.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  own.isArray ??= Array.isArray;
}
