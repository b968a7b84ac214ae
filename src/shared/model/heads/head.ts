import type { Layer, NamedSpec } from '../layers/layer.ts';

export interface ClassesSpec extends NamedSpec {
  readonly classes: number;
}

/** The last layer of a model: its values decide the class, and its loss is cross-entropy over scores. */
export interface Head<S extends ClassesSpec = ClassesSpec, T extends string = string> extends Layer<S, T> {
  /** Its values are distances, and the lowest wins; otherwise logits, and the highest wins. Scores are the negated distances. */
  readonly isDistance: boolean;
  /** A constant score beside those of the classes: of what is none of them. */
  rejection?(spec: S): number;
  /** [classes][units]: the values of the layer before that mean each class. */
  targets?(spec: S): readonly (readonly number[])[];
}
