// Group 1 is the colon behind a key. JSON has braces and colons outside of strings only for objects.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?|[{}]/g;

/**
 * Reads JSON in which no object has a key twice. JSON.parse takes the last of them, and other programs the first.
 * @throws SyntaxError if it isn't JSON or a key stands twice
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const objects: Set<string>[] = [];
  for (const [token, colon] of text.matchAll(TOKEN)) {
    if (token === '{') objects.push(new Set());
    else if (token === '}') objects.pop();
    else if (colon !== undefined) addKey(objects.at(-1), JSON.parse(token.slice(0, -colon.length)));
  }
  return value;
}

function addKey(keys: Set<string> | undefined, key: string): void {
  if (keys?.has(key)) throw new SyntaxError(`the key ${JSON.stringify(key)} stands twice in one object`);
  keys?.add(key);
}

/** The path, such as `result.steps`, of the first value of a JSON value that another one lacks or has otherwise; undefined: none. */
export function firstNotIn(other: unknown, value: unknown, path: readonly string[] = []): string | undefined {
  if (!isObject(value) || !isObject(other)) return Object.is(value, other) ? undefined : path.join('.');
  for (const [key, part] of Object.entries(value)) {
    const found = firstNotIn(Object.hasOwn(other, key) ? other[key] : undefined, part, [...path, key]);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
