// The package has no types of its own.
declare module 'snappyjs' {
  /** To snappy's block format. */
  export function compress(bytes: Uint8Array): Uint8Array;
  /** @throws Error if it isn't that, or longer than `maximum` bytes */
  export function uncompress(bytes: Uint8Array, maximum?: number): Uint8Array;
}
