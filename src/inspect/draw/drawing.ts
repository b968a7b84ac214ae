import type { Head } from '../../shared/model/lenet5.ts';

/** The paths below which the drawing page finds its model. */
export const MODEL_PATH = '/model.json';
export const WEIGHTS_PATH = '/weights';
export const WASM_PATH = '/inspector.wasm';

/** The model of the drawing page, whose weights it fetches as packed little-endian float32. */
export interface DrawingModel {
  readonly name: string;
  readonly step: number;
  readonly head: Head;
  readonly rbfJ: number;
  /** A warning about the data that they were trained on, if there is one. */
  readonly note?: string | undefined;
}
