// Hostile JSON: the fields of a document, and what they are replaced by.

/** A place in a JSON document. */
export type Path = readonly (string | number)[];

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Removes the field. */
export const REMOVED = 'removed';

/** Shown in a page or a terminal, it would do something there. */
export const MARKUP = '<img src=x onerror=alert(1)>';
const PLACEHOLDER = 'c4f1a7e0-placeholder';

export interface HostileOptions {
  /** An existing file and a folder that nobody may write to. */
  readonly file: string;
  readonly folder: string;
  /** A server that nobody may connect to. */
  readonly url: string;
}

/** The text of a JSON value each, which may be one that JSON.stringify never gives. */
export function hostileValues({ file, folder, url }: HostileOptions): string[] {
  const texts = [
    '',
    'x',
    'NaN',
    '__proto__',
    'constructor',
    'toString',
    'latest',
    'auto',
    'off',
    'synthetic',
    'x'.repeat(200_000),
    '\u001b]0;title\u0007\u001b[2J\r\n\u009b31m\u202e',
    MARKUP,
    '$(touch injected); `touch injected`',
    'a\u0000b',
    '\ud800',
    '../../../canaries/new',
    file,
    folder,
    `${folder}/new`,
    '/dev/zero',
    '/dev/stdin',
    '/proc/self/environ',
    url,
    '0.0.0.0:0',
    '9999-99-99T99:99:99Z',
    '2026-01-01T00:00:00Z',
    '0'.repeat(64),
  ];
  return [
    REMOVED,
    ...['null', 'true', 'false', '0', '-0', '1', '2', '-1', '0.5', '1e-320', '1e999', '-1e999', '1e308'],
    ...['1024', '65536', '2147483648', '4294967295', '9007199254740991', '9007199254740993', '-9007199254740991'],
    ...texts.map((text) => JSON.stringify(text)),
    '[]',
    '{}',
    '[null]',
    '[[],{}]',
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
    `[${'0,'.repeat(100_000)}0]`,
  ];
}

/** The places of all values of a document, the document itself included. */
export function placesIn(value: Json, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]))];
}

/** The document with one value replaced by the text of another, or removed; a missing one is added. */
export function replacedIn(document: Json, path: Path, text: string): string {
  const mark = text === REMOVED ? undefined : PLACEHOLDER;
  const json = JSON.stringify(path.length === 0 ? mark : withValue(document, path, mark), undefined, 1) ?? '';
  return json.replace(`"${PLACEHOLDER}"`, () => text);
}

function withValue(document: Json | undefined, [key, ...rest]: Path, mark: string | undefined): Json | undefined {
  if (key === undefined) return mark;
  const inner = (document as Record<string, Json> | undefined)?.[key];
  const value = withValue(inner, rest, mark);
  if (Array.isArray(document)) return document.with(Number(key), value ?? null);
  // Defined, because an assignment to __proto__ would set the prototype.
  const copy = Object.fromEntries(Object.entries(document ?? {}).filter(([name]) => name !== key));
  if (value !== undefined) Object.defineProperty(copy, key, { value, enumerable: true, configurable: true });
  return copy as Json;
}
