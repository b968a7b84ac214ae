// The data sets that are known by name, and the kinds of files and folders that others are read from. A file in sources/ and its entry
// here are all that a new one needs: --data and its help text, what nodes make by themselves, and whatever is said about a set follow
// from them.
import type { DatasetShape } from './dataset.ts';
import type { DataSource, SourceKind } from './source.ts';
import { ARRAYS } from './sources/arrays.ts';
import { CIFAR_BINARY } from './sources/cifar-binary.ts';
import { CIFAR10 } from './sources/cifar10.ts';
import { FASHION_MNIST } from './sources/fashion-mnist.ts';
import { IDX } from './sources/idx.ts';
import { KMNIST } from './sources/kmnist.ts';
import { MNIST } from './sources/mnist.ts';
import { PACKED } from './sources/packed.ts';
import { PICTURES } from './sources/pictures.ts';
import { SYNTHETIC } from './sources/synthetic.ts';
import { TABLE_FILE } from './sources/table.ts';

/** What runs train on if --data names no other set. Presets give its results. */
export const DEFAULT_SET: DataSource = MNIST;

/** What a run is trained on if the default set can't be had. */
export const FALLBACK_SET: DataSource = SYNTHETIC;

/** The sets that --data chooses by their names. */
export const NAMED_SETS: readonly DataSource[] = [MNIST, FASHION_MNIST, KMNIST, CIFAR10, SYNTHETIC];

/** What the samples of the known sets are. */
export const KNOWN_SHAPES: readonly (DatasetShape & { readonly name: string })[] = NAMED_SETS.map(
  ({ name, shape }) => ({ name, ...shape }),
);

/** The kinds of files and folders that --data takes; the first that accepts a place reads it. */
export const SOURCE_KINDS: readonly SourceKind[] = [ARRAYS, CIFAR_BINARY, IDX, TABLE_FILE, PACKED, PICTURES];

/** Stand for a set that isn't known. */
const RESERVED_NAMES = ['other', 'unknown'];

/** The set of this name; undefined for a folder or anything else. */
export function namedSet(name: string | undefined): DataSource | undefined {
  return NAMED_SETS.find((set) => set.name === name);
}

/** As `namedSet`, by the digest of the contents. */
export function namedSetOf(digest: string | undefined): DataSource | undefined {
  return digest === undefined ? undefined : NAMED_SETS.find(({ sha256 }) => sha256 === digest);
}

/** The set of this name if it stands in for the default one: its figures must not be compared to those. */
export function standIn(name: string | undefined): DataSource | undefined {
  return name === FALLBACK_SET.name ? FALLBACK_SET : undefined;
}

/** Under what terms a set is published, as its own files or registry say; undefined if nobody does. */
export function licenceOf({ name, licence }: { readonly name: string; readonly licence?: string | undefined }) {
  return licence ?? namedSet(name)?.licence;
}

/** The name of the set with this digest; undefined if it isn't known. */
export function nameOf(digest: string | undefined): string | undefined {
  return namedSetOf(digest)?.name;
}

/** Whether a set has this name, or an output would look as if one had. */
export function isTaken(name: string): boolean {
  return namedSet(name) !== undefined || RESERVED_NAMES.includes(name);
}

/** A data set's name for a person, who must not take one that stands in for the default one for it. */
export function datasetText(name: string): string {
  const set = standIn(name);
  return set === undefined ? name : `${set.title} (not ${DEFAULT_SET.title})`;
}

/** What the reader of a run's figures must know of its data first; undefined: nothing. */
export function dataNote(name: string): string | undefined {
  const set = standIn(name);
  const { title } = DEFAULT_SET;
  return set && `trained on ${set.title.toLowerCase()}, not on ${title}. Its accuracy says nothing about ${title}.`;
}

/** The kinds of files and folders that --data takes, for its help text. */
export function sourceKindsText(): string {
  return SOURCE_KINDS.map(({ title }) => title).join('; ');
}

/** The names that --data takes, for its help text. */
export function namedSetsText(): string {
  return NAMED_SETS.map(({ name }) => name).join(', ');
}

/** All that --data takes, for its help text. */
export function sourcesText(): string {
  return `a name (${namedSetsText()}); ${sourceKindsText()}`;
}
