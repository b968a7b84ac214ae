// The data sets that are known by name. A file beside this one and its entry here are all that a new one needs: --data and its help text,
// what nodes make by themselves, and whatever is said about a set follow from them.
import { MNIST } from './mnist-source.ts';
import type { DataSource } from './source.ts';
import { SYNTHETIC } from './synthetic.ts';

/** What runs train on if --data names no other set; a folder that it names has this one. Presets give its results. */
export const DEFAULT_SET: DataSource = MNIST;

/** What a run is trained on if the default set can't be had. */
export const FALLBACK_SET: DataSource = SYNTHETIC;

/** The sets that --data chooses by their names. */
export const NAMED_SETS: readonly DataSource[] = [SYNTHETIC];

/** The set of this name; undefined for the default set, a folder or anything else. */
export function namedSet(name: string | undefined): DataSource | undefined {
  return NAMED_SETS.find((set) => set.name === name);
}

/** As `namedSet`, by the digest of the contents. */
export function namedSetOf(digest: string | undefined): DataSource | undefined {
  return NAMED_SETS.find(({ sha256 }) => sha256 === digest);
}

/** The name of the set with this digest; undefined if it isn't known. */
export function nameOf(digest: string): string | undefined {
  return digest === DEFAULT_SET.sha256 ? DEFAULT_SET.name : namedSetOf(digest)?.name;
}

/** A data set's name for a person, who must not compare figures on another set to those on the default one. */
export function datasetText(name: string): string {
  const set = namedSet(name);
  return set === undefined ? name : `${set.title} (not ${DEFAULT_SET.title})`;
}

/** What the reader of a run's figures must know of its data first; undefined: nothing. */
export function dataNote(name: string): string | undefined {
  const set = namedSet(name);
  const { title } = DEFAULT_SET;
  return set && `trained on ${set.title.toLowerCase()}, not on ${title}. Its accuracy says nothing about ${title}.`;
}

/** The names that --data takes, for its help text. */
export function namedSetsText(): string {
  return NAMED_SETS.map(({ name, title }) => `${name} for ${title.toLowerCase()}`).join(', ');
}
