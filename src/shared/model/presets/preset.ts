import type { DataShape } from '../parse.ts';

/** A model that has a name. */
export interface Preset {
  readonly name: string;
  /** One line for people. */
  readonly text: string;
  /** Data that it is made for. */
  readonly data: DataShape;
  /** The spec as JSON; `data` is the data set's shape if that is known. */
  spec(data: DataShape | undefined, options: PresetOptions): unknown;
}

/** Options of a run that only some presets use. */
export interface PresetOptions {
  readonly head: 'softmax' | 'rbf' | 'mse';
  readonly rbfJ: number;
}
