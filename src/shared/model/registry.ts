import type { SampleShape } from '../data/dataset.ts';
import { ModelError } from '../util/errors.ts';
import { layoutOf, type ModelLayout } from './layout.ts';
import { type Head, LENET5_HEADS, lenet5 } from './lenet5.ts';
import { shapeText } from './shape.ts';
import type { ModelSpec } from './spec.ts';

/** The options of a run that decide its model; a run's config has them. */
export interface ModelOptions {
  readonly head: Head;
  readonly rbfJ: number;
}

/** The models by name: each makes its spec from a run's options. */
const MODELS = {
  lenet5: ({ head, rbfJ }) => lenet5(head, rbfJ),
} satisfies Readonly<Record<string, (options: ModelOptions) => ModelSpec>>;

export type ModelName = keyof typeof MODELS;

const DEFAULT_MODEL: ModelName = 'lenet5';

/** The most parameters that any model here has. */
export function maxParameters(): number {
  const layouts = Object.values(MODELS).flatMap((spec) =>
    LENET5_HEADS.map((head) => layoutOf(spec({ head, rbfJ: 0 }))),
  );
  return Math.max(...layouts.map(({ parameters }) => parameters));
}

/**
 * The layout of a run's model.
 * @param dataset what the model is trained or tried on, if that is known
 * @throws ModelError if the data set's images or classes aren't those that the model takes
 */
export function modelOf(options: ModelOptions, dataset?: SampleShape & { readonly name: string }): ModelLayout {
  const layout = layoutOf(MODELS[DEFAULT_MODEL](options));
  if (dataset !== undefined) checkFits(layout, dataset);
  return layout;
}

function checkFits({ spec, input }: ModelLayout, dataset: SampleShape & { readonly name: string }): void {
  const expected = sampleText({ ...input, classes: spec.head.classes });
  const actual = sampleText(dataset);
  if (actual === expected) return;
  throw new ModelError(
    `The model ${spec.name} expects ${expected}, but the data set ${dataset.name} has ${actual}. Use a data set of that shape.`,
  );
}

function sampleText(shape: SampleShape): string {
  return `images of ${shapeText(shape)} in ${shape.classes} classes`;
}
