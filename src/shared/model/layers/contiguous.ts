import { shapeSize, vector } from '../shape.ts';
import { type Emit, isContiguous, type ListName, sides, type Value, viewed } from './emit.ts';

/** A stack as a vector, map by map: itself, or a copy if a border interrupts it. */
export function flattened(emit: Emit, list: ListName | 'forward', x: Value): Value {
  if (isContiguous(x)) return viewed(x, vector(shapeSize(x.shape)));
  const copy = emit.temporary(x.shape);
  emit.op(list, 'copyMaps', x, copy, x.shape.maps, sides(x.shape));
  return viewed(copy, vector(shapeSize(x.shape)));
}

/** Calls `write` with a contiguous value whose contents `target` then has. */
export function writeFlattened(
  emit: Emit,
  list: ListName | 'forward',
  target: Value,
  write: (vector: Value) => void,
): void {
  const flat = vector(shapeSize(target.shape));
  if (isContiguous(target)) {
    write(viewed(target, flat));
    return;
  }
  const copy = emit.temporary(target.shape);
  write(viewed(copy, flat));
  emit.op(list, 'copyMaps', copy, target, target.shape.maps, sides(target.shape));
}
