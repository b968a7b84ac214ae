/**
 * JSON with the keys of every object in sorted order and no spaces, so that equal values give equal text.
 * @throws TypeError on a number that JSON can't carry, where JSON.stringify would write null
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (key, item: unknown) => {
    if (typeof item === 'number' && !Number.isFinite(item)) throw new TypeError(`${key}: JSON can't carry ${item}.`);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
