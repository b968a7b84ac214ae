// The rules of the layout: each is given the sources, and gives a line for each violation.
import { posix } from 'node:path';
import type { SourceFile } from './sources.ts';

/** Each folder of src/ may import those before it. `kernel` is compiled by itself. */
const LAYERS = ['shared', 'page', 'worker', 'coordinator', 'inspect', 'library', 'cli'];
const OUTSIDE = ['kernel'];

export const MAX_FILE_LINES = 300;
export const MAX_FUNCTION_LINES = 60;

/** Paths of the files of this repository that a file imports. */
function imported({ path, imports }: SourceFile): string[] {
  return imports.filter((name) => name.startsWith('.')).map((name) => posix.join(posix.dirname(path), name));
}

function layerOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** Imports of a folder that is above, and files in no folder that has a place. */
export function climbs(sources: readonly SourceFile[]): string[] {
  return sources
    .filter(({ path }) => !OUTSIDE.includes(layerOf(path)))
    .flatMap((source) => {
      const layer = LAYERS.indexOf(layerOf(source.path));
      if (layer === -1) return [`${source.path}: its folder has no place among ${LAYERS.join(', ')}`];
      return imported(source)
        .filter((path) => !LAYERS.slice(0, layer + 1).includes(layerOf(path)))
        .map((path) => `${source.path} imports ${path}`);
    });
}

/** Chains of imports that lead back to their first file, each told once. */
export function circles(sources: readonly SourceFile[]): string[] {
  const importsOf = new Map(sources.map((source) => [source.path, imported(source)]));
  const done = new Set<string>();
  const found: string[] = [];
  const follow = (chain: readonly string[]): void => {
    const path = chain.at(-1) as string;
    for (const next of importsOf.get(path) ?? []) {
      const start = chain.indexOf(next);
      if (start !== -1) found.push([...chain.slice(start), next].join(' → '));
      else if (!done.has(next)) follow([...chain, next]);
    }
    done.add(path);
  };
  for (const path of importsOf.keys()) if (!done.has(path)) follow([path]);
  return found;
}

/** Files and functions that are too long. */
export function tooLong(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, lines, functions }) => [
    ...(lines > MAX_FILE_LINES ? [`${path} has ${lines} lines`] : []),
    ...functions
      .filter((each) => each.lines > MAX_FUNCTION_LINES)
      .map((each) => `${path}:${each.line}: ${each.name} has ${each.lines} lines`),
  ]);
}

/** Imports of `packages` by any file but `adapters`. */
export function importsOutside(
  sources: readonly SourceFile[],
  packages: readonly string[],
  adapters: readonly string[],
): string[] {
  return sources
    .filter(({ path }) => !adapters.includes(path))
    .flatMap(({ path, imports }) => {
      return packages.filter((name) => imports.includes(name)).map((name) => `${path} imports ${name}`);
    });
}
