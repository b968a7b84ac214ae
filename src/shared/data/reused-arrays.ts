import type { Arrays, Inputs, Targets } from './dataset.ts';

/** Arrays for one attempt each, all giving the same ones: shared memory can't be freed. */
export function reusing(arrays: Arrays): () => Arrays {
  const taken: (Inputs | Targets)[] = [];
  return () => {
    let next = 0;
    const take = <T extends Inputs | Targets>(kind: new (length: number) => T, make: () => T, length: number): T => {
      const index = next++;
      const array = taken[index];
      if (array instanceof kind && array.length === length) return array;
      const fresh = make();
      taken[index] = fresh;
      return fresh;
    };
    return {
      bytes: (length) => take(Uint8Array, () => arrays.bytes(length), length),
      uint16: (length) => take(Uint16Array, () => arrays.uint16(length), length),
      float32: (length) => take(Float32Array, () => arrays.float32(length), length),
    };
  };
}
