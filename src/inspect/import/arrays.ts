/** A tensor whose values are read when they are wanted: only after the model was found to be one. */
export interface LazyTensor {
  readonly shape: readonly number[];
  /** In row-major order. */
  values(): Float32Array;
}

/** The axes in another order, as NumPy's transpose: axis i of the result is axis order[i]. */
export function transposed({ shape, values }: LazyTensor, order: readonly number[]): LazyTensor {
  const sides = order.map((axis) => shape[axis] as number);
  return {
    shape: sides,
    values() {
      const from = values();
      const to = new Float32Array(from.length);
      eachTransposed(shape, order, (i, place) => {
        to[i] = from[place] as number;
      });
      return to;
    },
  };
}

/** Calls `take` for each element of the transposed array, with the element's place in the other one. */
export function eachTransposed(
  shape: readonly number[],
  order: readonly number[],
  take: (i: number, place: number) => void,
): void {
  const sides = order.map((axis) => shape[axis] as number);
  const strides = order.map((axis) => sizeOf(shape.slice(axis + 1)));
  const index = sides.map(() => 0);
  const size = sizeOf(shape);
  let place = 0;
  for (let i = 0; i < size; i++) {
    take(i, place);
    for (let axis = sides.length - 1; axis >= 0; axis--) {
      const next = (index[axis] as number) + 1;
      const isInside = next < (sides[axis] as number);
      index[axis] = isInside ? next : 0;
      place += (strides[axis] as number) * (isInside ? 1 : 1 - next);
      if (isInside) break;
    }
  }
}

/** The same values in other sides. */
export function reshaped({ values }: LazyTensor, shape: readonly number[]): LazyTensor {
  return { shape, values };
}

/** The last axis in another order: its element i was element positions[i]. */
export function reordered({ shape, values }: LazyTensor, positions: () => Int32Array): LazyTensor {
  return {
    shape,
    values() {
      const [from, places] = [values(), positions()];
      const to = new Float32Array(from.length);
      for (let i = 0; i < to.length; i++) {
        const place = i % places.length;
        to[i] = from[i - place + (places[place] as number)] as number;
      }
      return to;
    },
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
