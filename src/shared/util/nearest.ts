/** More typing errors than this share of a name make it another name. */
const MAX_SHARE = 0.4;

/** The name that was probably meant; undefined if none is near. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const [best] = names
    .map((each) => ({ name: each, distance: distanceOf(name, each) }))
    .filter(({ distance }) => distance <= MAX_SHARE * name.length)
    .sort((a, b) => a.distance - b.distance);
  return best?.name;
}

/** The number of characters to insert, remove or replace (Levenshtein). */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, character] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] as number) + (b[j] === character ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
