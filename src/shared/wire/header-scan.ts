import { isUtf8 } from 'node:buffer';

/** The levels of a message's map, a list in it and an object in the list; one more than any schema has. */
const MAX_DEPTH = 4;
/** Keys and values of all maps and arrays together: twice what the longest message has. */
const MAX_ITEMS = 8192;

/** A map or array whose items are still to come. */
interface Open {
  readonly isMap: boolean;
  /** Values left; in a map, keys too. */
  left: number;
}

/**
 * Walks through MessagePack without building anything, so that what the decoder gets is one complete map of bounded depth
 * with text keys and few items, none of them missing. Binary and extension types are not in use: decoders do surprising things with them.
 * @returns what is wrong with the header; undefined if nothing is
 */
export function headerProblem(header: Buffer): string | undefined {
  const open: Open[] = [];
  let at = 0;
  let items = 0;
  do {
    const inner = open.at(-1);
    const item = itemAt(header, at);
    if (item === undefined) return 'a header that ends early or has a type that is not in use';
    if (inner === undefined ? item.opens !== 'map' : isKey(inner) && !item.isText)
      return 'a header without a map or a text key';
    at = item.end;
    if (inner !== undefined) inner.left--;
    if (item.opens !== undefined) {
      if (item.items > header.length - at) return 'a header that claims more items than it has bytes';
      items += item.items;
      if (items > MAX_ITEMS) return `a header with more than ${MAX_ITEMS} items`;
      if (open.length === MAX_DEPTH) return `a header that is nested deeper than ${MAX_DEPTH}`;
      open.push({ isMap: item.opens === 'map', left: item.items });
    }
    while (open.at(-1)?.left === 0) open.pop();
  } while (open.length > 0);
  return at === header.length ? undefined : 'a header that bytes follow';
}

function isKey({ isMap, left }: Open): boolean {
  return isMap && left % 2 === 0;
}

interface Item {
  /** The place after the item's head; after a text's bytes. */
  readonly end: number;
  readonly isText: boolean;
  readonly opens: 'map' | 'array' | undefined;
  /** Items that follow; in a map, keys count too. */
  readonly items: number;
}

// https://github.com/msgpack/msgpack/blob/master/spec.md
function itemAt(bytes: Buffer, at: number): Item | undefined {
  const head = bytes[at];
  if (head === undefined) return undefined;
  if (head < 0x80 || head >= 0xe0) return scalar(bytes, at + 1);
  if (head < 0x90) return opening('map', at + 1, head & 0x0f);
  if (head < 0xa0) return opening('array', at + 1, head & 0x0f);
  if (head < 0xc0) return text(bytes, at + 1, head & 0x1f);
  const size = SIZES.get(head);
  if (size === undefined || at + 1 + size > bytes.length) return undefined;
  const end = at + 1 + size;
  switch (head) {
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(bytes, end, bytes.readUIntBE(at + 1, size));
    case 0xdc:
    case 0xdd:
      return opening('array', end, bytes.readUIntBE(at + 1, size));
    case 0xde:
    case 0xdf:
      return opening('map', end, bytes.readUIntBE(at + 1, size));
    default:
      return scalar(bytes, end);
  }
}

/** Bytes of the value, or of the length, that follow these heads. */
const SIZES: ReadonlyMap<number, number> = new Map([
  // nil, false, true
  ...([0xc0, 0xc2, 0xc3] as const).map((head) => [head, 0] as const),
  // float 32, float 64
  [0xca, 4],
  [0xcb, 8],
  // uint and int, 8 to 64 bits
  ...[0xcc, 0xd0].flatMap((head) => [1, 2, 4, 8].map((size, i) => [head + i, size] as const)),
  // str 8, 16, 32
  [0xd9, 1],
  [0xda, 2],
  [0xdb, 4],
  // array 16, 32, map 16, 32
  [0xdc, 2],
  [0xdd, 4],
  [0xde, 2],
  [0xdf, 4],
]);

function scalar(bytes: Buffer, end: number): Item | undefined {
  return end > bytes.length ? undefined : { end, isText: false, opens: undefined, items: 0 };
}

function opening(opens: 'map' | 'array', end: number, length: number): Item {
  return { end, isText: false, opens, items: opens === 'map' ? 2 * length : length };
}

function text(bytes: Buffer, begin: number, length: number): Item | undefined {
  const end = begin + length;
  if (end > bytes.length || !isUtf8(bytes.subarray(begin, end))) return undefined;
  return { end, isText: true, opens: undefined, items: 0 };
}
