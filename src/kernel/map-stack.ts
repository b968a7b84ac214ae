/**
 * A value or delta of a block of samples: f32 [map][y][x][LANES]. Rows and planes may be longer than the map, which is how a
 * border of zeros lies around each map; operations never write it. A plane shouldn't be a multiple of 4 KiB: all maps at one
 * position would fall on the same few lines of the first-level cache (docs/kernel.md). The fields are the three words that a record has for it.
 */
// @ts-ignore: AssemblyScript decorator
@unmanaged
export class MapStack {
  pointer: usize;
  /** Bytes from a row to the next one. */
  row: usize;
  /** Bytes from a map to the next one. */
  plane: usize;

  /** Where a row of a map starts. */
  // @ts-ignore: AssemblyScript decorator
  @inline
  at(map: i32, y: i32): usize {
    return this.pointer + <usize>map * this.plane + <usize>y * this.row;
  }
}
