import fc from 'fast-check';

/** What is done (0 to 3), where, and with which byte or how many. */
export type Change = readonly [number, number, number];

/** Overwrites, removes, repeats and inserts some bytes. */
export function mutated(frame: Buffer, changes: readonly Change[]): Buffer {
  return changes.reduce((bytes, [kind, place, value]) => {
    const at = place % Math.max(1, bytes.length);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    switch (kind) {
      case 0:
        return Buffer.concat([before, Buffer.of(value), after.subarray(1)]);
      case 1:
        return Buffer.concat([before, after.subarray(1 + (value % 8))]);
      case 2:
        return Buffer.concat([before, after.subarray(0, 1 + (value % 8)), after]);
      default:
        return Buffer.concat([before, Buffer.of(value), after]);
    }
  }, frame);
}

// Heads of MessagePack types, lengths and flags hit more than any byte does.
const value = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0x80, 0x8f, 0x9f, 0xc1, 0xc6, 0xc9, 0xcf, 0xd4, 0xdb, 0xdd, 0xdf, 0xff),
);

export const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.tuple(fc.nat(3), fc.oneof(fc.nat(60), fc.nat(2000)), value),
  { minLength: 1, maxLength: 4 },
);
