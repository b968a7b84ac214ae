import type { Border, Padding, Pair, Shape } from '../spec.ts';

/** The positions that a convolution or a pool sees at once, and how they move. */
export interface Windows {
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
}

/** [top, left, bottom, right] */
export function borderOf({ size, stride, padding }: Windows, { height, width }: Shape): Border {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding !== 'same') return padding;
  const rows = samePadding(height, size[0], stride[0]);
  const columns = samePadding(width, size[1], stride[1]);
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return [top, left, rows - top, columns - left];
}

function samePadding(input: number, size: number, stride: number): number {
  return Math.max((Math.ceil(input / stride) - 1) * stride + size - input, 0);
}

/** How many windows fit, down and across. */
export function windowCounts(windows: Windows, input: Shape): Pair {
  const [top, left, bottom, right] = borderOf(windows, input);
  const count = (length: number, size: number, stride: number) => Math.floor((length - size) / stride) + 1;
  return [
    count(input.height + top + bottom, windows.size[0], windows.stride[0]),
    count(input.width + left + right, windows.size[1], windows.stride[1]),
  ];
}

/** Visits every position of every window that lies on the input, in order: (y, x) of the output, (row, column) of the window. */
export function forEachPosition(
  windows: Windows,
  input: Shape,
  /** @param output y * width + x in the output; @param tap row * width + column in the window; @param place in the input map */
  visit: (output: number, tap: number, place: number) => void,
): void {
  const [top, left] = borderOf(windows, input);
  const [height, width] = windowCounts(windows, input);
  const [rows, columns] = windows.size;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let row = 0; row < rows; row++) {
        const inputY = y * windows.stride[0] - top + row;
        if (inputY < 0 || inputY >= input.height) continue;
        for (let column = 0; column < columns; column++) {
          const inputX = x * windows.stride[1] - left + column;
          if (inputX < 0 || inputX >= input.width) continue;
          visit(y * width + x, row * columns + column, inputY * input.width + inputX);
        }
      }
    }
  }
}
