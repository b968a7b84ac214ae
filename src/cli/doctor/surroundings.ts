import { mkdtemp, rmdir, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { readingOf } from '../../library/model.ts';
import type { ResolvedTrainConfig, TrainConfig } from '../../shared/config/config.ts';
import { cacheFolder } from '../../shared/data/data-folder.ts';
import { shapeOf } from '../../shared/data/dataset.ts';
import { mirrorsOf } from '../../shared/data/mirrors.ts';
import { loadMnist } from '../../shared/data/mnist.ts';
import { describeSet, openDataset } from '../../shared/data/open.ts';
import { DEFAULT_SET, FALLBACK_SET, namedSet } from '../../shared/data/registry.ts';
import { DatasetError, LockstepError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { type Check, reasonOf, size } from './check.ts';

const HOST = '127.0.0.1';
/** Step log and checkpoints of a default run take some 15 MB. */
const COMFORTABLE_DISK_BYTES = 100 * 2 ** 20;

/** Looks for the data set in the places of a run, and checks its files' digests; fetches nothing. */
export async function checkData(resolved: ResolvedTrainConfig, env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'data';
  const { data } = resolved.config;
  const set = namedSet(data);
  if (set !== undefined && set !== DEFAULT_SET)
    return { name, status: 'ok', found: `${describeSet({ ...set, ...set.shape })} (by --data)` };
  const path = set === undefined ? (data ?? env.MNIST_DIR) : env.MNIST_DIR;
  const origin = path === data ? 'given by --data' : 'from $MNIST_DIR';
  try {
    if (!path) return await checkCache(env);
    const dataset = await openDataset({ flag: data, reading: await readingOf(resolved), env, print: () => {} });
    if (dataset.sha256 === DEFAULT_SET.sha256)
      return { name, status: 'ok', found: foundText(callerPath(path, env), origin) };
    return { name, status: 'ok', found: `${describeSet({ ...dataset, ...shapeOf(dataset) })} (${origin})` };
  } catch (error) {
    // Its message includes what to do.
    if (error instanceof LockstepError) return { name, status: 'problem', found: error.message };
    throw error;
  }
}

async function checkCache(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'data';
  const folder = cacheFolder(env);
  const hosts = mirrorsOf(env).map((address) => new URL(address).host);
  try {
    await loadMnist(folder);
    return { name, status: 'ok', found: foundText(folder, "the user's cache") };
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    return {
      name,
      status: 'note',
      found: `MNIST isn't, or isn't whole, in ${folder} (the user's cache)`,
      advice:
        `The next run fetches it (12 MB) from ${hosts.join(', ')}; if none delivers, it trains on ${FALLBACK_SET.title}. ` +
        'To do without a download, put the four files into a folder and name it by --data or $MNIST_DIR.',
    };
  }
}

function foundText(folder: string, origin: string): string {
  const set = describeSet({ ...DEFAULT_SET, ...DEFAULT_SET.shape });
  return `${set}, in ${folder} (${origin}); all four files have the right SHA-256`;
}

export interface FolderPurpose {
  readonly name: string;
  /** The status of a folder that can't be written. */
  readonly status: 'note' | 'problem';
  readonly advice: string;
}

/** Checks that a folder can be written, or made if it doesn't exist yet. Leaves nothing behind. */
export async function checkFolder(folder: string, { name, status, advice }: FolderPurpose): Promise<Check> {
  try {
    const existing = await nearestFolder(folder);
    await rmdir(await mkdtemp(join(existing, '.lockstep-doctor-')));
    const { bavail, bsize } = await statfs(existing);
    const free = bavail * bsize;
    const found = `${folder} can be ${existing === folder ? 'written' : 'made'}, ${size(free)} free`;
    if (free >= COMFORTABLE_DISK_BYTES) return { name, status: 'ok', found };
    return { name, status: 'note', found, advice: 'Make room on the disk: a default run writes about 15 MB.' };
  } catch (error) {
    return { name, status, found: `${folder} can't be written: ${reasonOf(error)}`, advice };
  }
}

/** The folder itself, or the closest one above it that exists. */
async function nearestFolder(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    return nearestFolder(dirname(path));
  }
  throw new Error(`${path} is a file, not a folder`);
}

/** @param explicit the port was asked for, so that no other will do */
export async function checkPort(port: TrainConfig['metricsPort'], explicit: boolean): Promise<Check> {
  const name = 'metrics port';
  if (port === 'off') return { name, status: 'ok', found: 'off: no metrics are served' };
  const failure = await listenFailure(port);
  if (failure === undefined) {
    return { name, status: 'ok', found: port === 0 ? 'any free one' : `${port} on ${HOST} is free` };
  }
  const isTaken = failure.code === 'EADDRINUSE';
  const found = isTaken ? `${port} on ${HOST} is taken by another program` : `${port} on ${HOST}: ${failure.message}`;
  if (isTaken && !explicit) {
    const advice = 'Training uses a free port instead and prints it; to choose one, give --metrics-port.';
    return { name, status: 'note', found, advice };
  }
  return { name, status: 'problem', found, advice: 'Name another by --metrics-port, or off for none.' };
}

async function listenFailure(port: number): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', resolve);
    server.listen({ host: HOST, port }, () => server.close(() => resolve(undefined)));
  });
}
