import { ModelError } from '../../util/errors.ts';
import type { Border, Pair, Shape } from '../shape.ts';
import { shapeText } from '../shape.ts';
import type { Zod } from './layer.ts';

/** Windows that slide over a map: kernels and pooling. */
export interface Windows {
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

/** `same` as TensorFlow means it; otherwise rows above, columns to the left, rows below, columns to the right. */
export type Padding = 'valid' | 'same' | readonly [top: number, left: number, bottom: number, right: number];

/** The longest side of a kernel, window, stride or padding. */
const MAX_SIDE = 1024;

/** A pair of sides; one number stands for both. */
export function pairField(zod: Zod) {
  const side = zod.int().min(1).max(MAX_SIDE);
  return zod
    .union([zod.tuple([side, side]), side])
    .transform((value): Pair => (typeof value === 'number' ? [value, value] : value));
}

export function paddingField(zod: Zod) {
  const side = zod.int().min(0).max(MAX_SIDE);
  return zod.union([zod.enum(['valid', 'same']), zod.tuple([side, side, side, side])]);
}

/** The padding in rows and columns. */
export function borderOf({ size, stride, padding }: Windows, { height, width }: Shape): Border {
  if (padding === 'valid') return { top: 0, left: 0, bottom: 0, right: 0 };
  if (padding === 'same') {
    const total = (input: number, axis: 0 | 1): number =>
      Math.max((Math.ceil(input / stride[axis]) - 1) * stride[axis] + size[axis] - input, 0);
    const [rows, columns] = [total(height, 0), total(width, 1)];
    const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
    return { top, left, bottom: rows - top, right: columns - left };
  }
  const [top, left, bottom, right] = padding;
  return { top, left, bottom, right };
}

/** Rows and columns of the output. @throws ModelError if no window fits */
export function slide(windows: Windows, input: Shape, name: string): Omit<Shape, 'maps'> {
  const { size, stride } = windows;
  const { top, left, bottom, right } = borderOf(windows, input);
  const height = Math.floor((input.height + top + bottom - size[0]) / stride[0]) + 1;
  const width = Math.floor((input.width + left + right - size[1]) / stride[1]) + 1;
  if (height >= 1 && width >= 1) return { height, width };
  throw new ModelError(`${name}: windows of ${size[0]}x${size[1]} don't fit an input of ${shapeText(input)}.`);
}
