import { DatasetError } from '../util/errors.ts';
import { digestOf } from './contents-digest.ts';
import { type Contents, type Dataset, shapeOf } from './dataset.ts';
import { announced, type FetchOptions, mirrorsFor } from './fetching.ts';
import { mirrorsOf } from './mirrors.ts';
import { openPacked } from './packed-cache.ts';
import type { PublishedSet } from './published-set.ts';
import type { SourceOptions } from './source.ts';

/**
 * A published set from the cache, else fetched.
 * @throws NoMirrorError if it has to be fetched, and no mirror delivers a file of it
 */
export async function openPublished(set: PublishedSet, options: SourceOptions): Promise<Dataset> {
  const { name, files } = set;
  const key = JSON.stringify([name, files.map((file) => file.sha256)]);
  const found = await openPacked(options, key, () => fetchSet(set, options), name);
  const contents = await found.read(options.arrays);
  return { ...contents, name, sha256: contents.sha256 ?? digestOf(contents) };
}

async function fetchSet(set: PublishedSet, options: FetchOptions): Promise<Contents> {
  const { name, classNames, shape } = set;
  const mirrors = mirrorsFor(mirrorsOf(options.env, set), options);
  const bodies: Buffer[] = [];
  for (const file of set.files) {
    const { body } = await announced(file.name, options, () => mirrors.fetchPublished(file));
    bodies.push(body);
  }
  const { maps, height, width, classes } = shape;
  const contents = { maps, height, width, classes, classNames, ...(await set.read(bodies)) };
  const actual = shapeOf(contents);
  if (JSON.stringify(actual) === JSON.stringify(shapeOf({ ...contents, ...shape }))) return contents;
  throw new DatasetError(`The files of ${name} hold other samples than its entry says.`);
}
