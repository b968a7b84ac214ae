import { ModelError } from '../../util/errors.ts';
import { isVector, type Shape, shapeText } from '../shape.ts';

/** The largest difference of two float32s. */
export const MAX_DIFFERENCE = 2 * 3.5e38;

/** The length of the last layer's output. @throws ModelError if that isn't a vector */
export function outputsOf(head: string, last: Shape): number {
  if (isVector(last)) return last.maps;
  throw new ModelError(
    `${head}: the head takes a vector, but the last layer has ${shapeText(last)}. End with a dense or a global-average-pool layer.`,
  );
}
