import { CheckpointError } from '../../shared/util/errors.ts';

/**
 * Refuses weights whose sums overflow: what they make of an image means nothing, and has no colour.
 * @param activations what the weights made of images
 * @throws CheckpointError if one of them isn't a finite number
 */
export function refuseOverflow(activations: Iterable<Float32Array>, file: string): void {
  for (const values of activations) {
    const wrong = values.find((value) => !Number.isFinite(value));
    if (wrong === undefined) continue;
    throw new CheckpointError(
      `${file} holds weights whose sums overflow: expected finite numbers, but one of them is ${wrong}. Use other weights.`,
      { file },
    );
  }
}
