import { basename, extname } from 'node:path';
import { printable } from '../util/printable.ts';
import { digestOf } from './contents-digest.ts';
import type { Dataset } from './dataset.ts';
import { isTaken, namedSet, nameOf } from './registry.ts';
import type { ReadContents } from './source.ts';

const MAX_NAME = 64;
/** Hex digits of a digest that tell two sets of one name apart. */
const SHORT = 8;

/**
 * Gives contents their digest and name: those of the set in registry.ts that has the same, else their own.
 * @param path the file or folder that they came from, which gives a set of its own its name
 */
export function identify(contents: ReadContents, path: string): Dataset {
  const digest = contents.sha256 ?? digestOf(contents);
  return {
    ...contents,
    sha256: digest,
    name: nameOf(digest) ?? ownName(contents.name ?? basename(path, extname(path)), digest),
  };
}

/** The name of a set that the cache has: its run's, unless that is another set's. */
export function keptName(digest: string, recorded: string | undefined): string {
  const name = recorded ?? 'data';
  // A set that is known by its published files has no digest to compare.
  const isPublished = namedSet(name) !== undefined && namedSet(name)?.sha256 === undefined;
  return isPublished ? name : ownName(name, digest);
}

/** Never the name of a set in registry.ts, which other contents would pass for. */
function ownName(given: string, digest: string): string {
  const name = printable(given).slice(0, MAX_NAME) || 'data';
  return isTaken(name) ? `${name}-${digest.slice(0, SHORT)}` : name;
}
