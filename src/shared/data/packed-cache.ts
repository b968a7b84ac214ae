// Data sets in the user's cache, as packed files by their digests, so that nothing is made or fetched twice, and a run is resumed
// without naming its data again. Files come and go whole; whatever else is in these folders is passed over.
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { fileSource } from '../util/byte-source.ts';
import { DatasetError } from '../util/errors.ts';
import { parseJson } from '../util/json.ts';
import type { Print } from '../util/notice.ts';
import { readPlainFile } from '../util/plain-file.ts';
import { type FileOperations, fileOperations, replaceFile } from '../util/replace-file.ts';
import { shownPath } from '../util/shown-path.ts';
import { collectGarbage } from '../util/young-garbage.ts';
import { digestOf } from './contents-digest.ts';
import { cacheRoot } from './data-folder.ts';
import { type Contents, shapeOf } from './dataset.ts';
import { sha256 } from './digest.ts';
import { packedPieces } from './pack.ts';
import { findPacked } from './packed.ts';
import { reusing } from './reused-arrays.ts';
import type { FindContext, Found } from './source.ts';

/** Lines about a set, such as the pictures that can't be read. */
const Notices = z.array(z.tuple([z.string().max(10_000), z.enum(['debug', 'info', 'warn', 'error'])])).max(100);
type Notice = z.output<typeof Notices>[number];
const MAX_MADE_BYTES = 1 << 20;

const DIGEST = /^[0-9a-f]{64}$/;
/** Samples may be anybody's: the cache isn't for other users. */
const OWN = 0o600;
/** Bytes of all that is kept; what wasn't used for longest is removed first. */
const MAX_BYTES = 2 ** 34;

type Identified = Contents & { readonly sha256: string };
interface Kept extends Found<Identified> {
  readonly file: string;
}

type CacheContext = Pick<FindContext, 'env' | 'print'>;

/** Makes a data set. What it prints is true of the set, and is printed again whenever that comes from the cache. */
type Make = (print: Print) => Promise<Contents>;

/**
 * A data set that is made once: what the cache has of it, else what `make` gives, which then is in the cache.
 * @param key all that decides its contents
 * @param path what it is made of, for messages
 * @throws what `make` throws
 */
export async function openPacked(context: CacheContext, key: string, make: Make, path: string): Promise<Found> {
  const { env, print } = context;
  const found = await findMade(key, env);
  if (found === undefined) return makeOnce(context, key, make, path);
  const { kept, notices } = found;
  return {
    shape: kept.shape,
    read: async (arrays) => {
      for (const notice of notices) print(...notice);
      const attempts = reusing(arrays);
      try {
        return await kept.read(attempts());
      } catch (error) {
        if (!(error instanceof DatasetError)) throw error;
        await rm(kept.file, { force: true });
        print(`The cache's copy of ${shownPath(path)} is damaged; it is made again.`, 'warn');
        return (await makeOnce(context, key, make, path)).read(attempts());
      }
    },
  };
}

/** Makes, and puts into the cache. What was made is read from there: it needn't stay in memory beside what workers share. */
async function makeOnce({ env, print }: CacheContext, key: string, make: Make, path: string): Promise<Found> {
  const made = await makeAndEnter({ env, print }, key, make, path);
  if (typeof made !== 'string') return { shape: shapeOf(made), read: async () => made };
  collectGarbage();
  const kept = await findKept(made, env);
  if (kept !== undefined) return kept;
  throw new DatasetError(`${keptFile(made, env)} was removed while it was needed. Try again.`, { isTemporary: true });
}

/** @returns the digest of what was made and is in the cache now; the contents themselves if they can't be kept there */
async function makeAndEnter(
  { env, print }: CacheContext,
  key: string,
  make: Make,
  path: string,
): Promise<string | Identified> {
  const notices: Notice[] = [];
  const made = await make((line, severity = 'info') => {
    notices.push([line, severity]);
    print(line, severity);
  });
  const contents = { ...made, sha256: digestOf(made) };
  try {
    await enter(contents, env);
    const index = madeFile(key, env);
    await mkdir(dirname(index), { recursive: true });
    await replaceFile(index, Buffer.from(`${contents.sha256}\n${JSON.stringify(notices)}\n`), { mode: OWN });
  } catch (error) {
    print(notKeptText(path, error as Error), 'warn');
    return contents;
  }
  return contents.sha256;
}

/** Keeps what a run is trained on. A cache that can't be written is said, and no error. */
export async function keepDataset(
  dataset: Identified,
  { env, print }: CacheContext,
  files: FileOperations = fileOperations,
): Promise<void> {
  try {
    await enter(dataset, env, files);
  } catch (error) {
    print(`${notKeptText('the data set', error as Error)} To resume the run, name it again by --data.`, 'warn');
  }
}

/** The data set of this digest in the cache; undefined if there is none. Its contents are checked when they are read. */
export async function findKept(digest: string, env: NodeJS.ProcessEnv): Promise<Kept | undefined> {
  if (!DIGEST.test(digest)) return undefined;
  const path = keptFile(digest, env);
  let found: Found;
  try {
    found = await findPacked(await fileSource(path));
  } catch {
    // What isn't there, or is damaged, is made, received or named again.
    return undefined;
  }
  return {
    file: path,
    shape: found.shape,
    read: async (arrays) => {
      const contents = await found.read(arrays);
      if (digestOf(contents) !== digest) {
        throw new DatasetError(`${path}: its contents were altered. Remove it, and name the data set by --data.`, {
          file: path,
        });
      }
      const now = new Date();
      await utimes(path, now, now).catch(() => {});
      return { ...contents, sha256: digest };
    },
  };
}

function keptFile(digest: string, env: NodeJS.ProcessEnv): string {
  return join(cacheRoot(env), 'datasets', `${digest}.safetensors`);
}

/** Where the digest of what was made by a key is, and what was printed of it. */
function madeFile(key: string, env: NodeJS.ProcessEnv): string {
  return join(cacheRoot(env), 'made', sha256(key));
}

interface Made {
  readonly kept: Kept;
  /** What was printed when it was made. */
  readonly notices: readonly Notice[];
}

async function findMade(key: string, env: NodeJS.ProcessEnv): Promise<Made | undefined> {
  const text = await readPlainFile(madeFile(key, env), MAX_MADE_BYTES).catch(() => undefined);
  // Earlier versions wrote the digest alone.
  const [digest = '', line = '[]'] = String(text ?? '').split('\n');
  const notices = Notices.safeParse(jsonIn(line || '[]')).data;
  const kept = notices && (await findKept(digest, env));
  return kept && { kept, notices };
}

function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** Puts a data set into the cache, whole or not at all, unless it is there. @throws the file system's error; DatasetError as `packedPieces` does */
async function enter(dataset: Identified, env: NodeJS.ProcessEnv, files = fileOperations): Promise<void> {
  const file = keptFile(dataset.sha256, env);
  const pieces = packedPieces(dataset);
  const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  const there = await stat(file).catch(() => undefined);
  if (there?.isFile() && there.size === bytes) return;
  await mkdir(dirname(file), { recursive: true });
  await replaceFile(file, piecewise(pieces), { files, mode: OWN });
  await prune(file);
}

async function* piecewise(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

/** Removes what wasn't used for longest, as long as there is too much; never the file that has just come. */
async function prune(newest: string): Promise<void> {
  const folder = dirname(newest);
  const others = (await readdir(folder)).map((name) => join(folder, name)).filter((file) => file !== newest);
  const dated = await Promise.all(
    others.map(async (file) => {
      const { size = 0, mtimeMs = 0 } = (await stat(file).catch(() => undefined)) ?? {};
      return { file, size, mtimeMs };
    }),
  );
  let held = (await stat(newest)).size;
  for (const { file, size } of dated.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
    held += size;
    if (held > MAX_BYTES) await rm(file, { force: true });
  }
}

function notKeptText(what: string, { message }: Error): string {
  return `The cache can't keep ${shownPath(what)} (${message}).`;
}
