import type { Preparation } from '../../shared/data/preparation.ts';
import type { ModelSpec } from '../../shared/model/spec.ts';

/** The paths below which the drawing page finds its model. */
export const MODEL_PATH = '/model.json';
export const WEIGHTS_PATH = '/weights';
export const WASM_PATH = '/inspector.wasm';

/** The model of the drawing page, whose weights it fetches as packed little-endian float32. */
export interface DrawingModel {
  readonly name: string;
  readonly step: number;
  readonly spec: ModelSpec;
  /** [classes]; absent: they have numbers. */
  readonly classNames?: readonly string[] | undefined;
  /** How the training set's samples were made; absent: they were given as they are. */
  readonly preparation?: Preparation | undefined;
  /** A warning about the data that they were trained on, if there is one. */
  readonly note?: string | undefined;
}
