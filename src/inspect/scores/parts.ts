import type { Inputs } from '../../shared/data/dataset.ts';
import { shapeSize } from '../../shared/model/shape.ts';
import type { Classified, Inspector } from '../activations/inspector.ts';
import type { PartOutputs } from './part-outputs.ts';

/** Outputs that are in memory at once, about. */
const MAX_OUTPUTS = 2 ** 20;

/** What a model makes of consecutive test samples. */
export type Part = Classified & PartOutputs;

/** Classifies a test set part by part, so that the outputs of many samples with many classes take little memory. */
export function* classifiedParts(inspector: Inspector, inputs: Inputs): Generator<Part> {
  const { classes, input } = inspector.layout;
  const size = shapeSize(input);
  const samples = Math.max(1, Math.floor(MAX_OUTPUTS / classes));
  for (let first = 0; first * size < inputs.length; first += samples) {
    const part = inspector.classify(inputs.subarray(first * size, (first + samples) * size));
    yield { ...part, first };
  }
}
