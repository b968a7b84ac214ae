import type { Preparation } from '../../shared/data/preparation.ts';
import { isVector, type Shape, shapeText } from '../../shared/model/shape.ts';
import type { Pixels } from '../../shared/pictures/pixels.ts';
import { DEFAULT_RESIZE, sampleOf } from '../../shared/pictures/resize.ts';
import { greyOf } from './grey.ts';
import { inkPicture } from './ink.ts';

/** A sample [maps][height][width] as the model takes it, or the problem, to be printed after the picture's name. */
export type Prepared = { readonly sample: Uint8Array } | { readonly problem: string };

const CHANNELS = 3;

/** Whether samples are drawings on squares of one map, brought to MNIST's form. */
export function takesDrawings({ maps, height, width }: Shape, preparation: Preparation | undefined): boolean {
  return preparation?.kind === 'ink' && maps === 1 && height === width && height > 1;
}

/** Why no picture can be a sample of this shape; undefined if one can. */
export function pictureProblem(input: Shape): string | undefined {
  if (!isVector(input) && (input.maps === 1 || input.maps === CHANNELS)) return undefined;
  return `the network takes samples of ${shapeText(input)}, which no picture has: pictures have one map, or three of colours`;
}

/**
 * Makes a picture a sample, as the training set's pictures were made. Those of a set of drawings get what is drawn, as light ink, scaled
 * and centred as in MNIST; those of which nobody knows how they were made the largest middle part of the samples' proportions.
 * @param pixels upright
 * @param preparation of the training set; undefined: its samples were given as they are
 */
export function prepare(pixels: Pixels, input: Shape, preparation?: Preparation): Prepared {
  const problem = pictureProblem(input);
  if (problem !== undefined) return { problem };
  if (preparation?.kind === 'pictures') return { sample: sampleOf(pixels, input, preparation.resize) };
  if (!takesDrawings(input, preparation)) return { sample: sampleOf(pixels, input, DEFAULT_RESIZE) };
  const sample = inkPicture(greyOf(pixels), input.height);
  return sample === undefined ? { problem: 'nothing is drawn on it' } : { sample };
}
