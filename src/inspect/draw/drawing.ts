import type { Head } from '../../shared/model/lenet5.ts';

/** The paths below which the drawing page finds its model. */
export const MODEL_PATH = '/model.json';
export const WEIGHTS_PATH = '/weights';
export const WASM_PATH = '/inspector.wasm';

/** What the drawing page says of its weights, which it fetches as packed little-endian float32. */
export interface DrawingModel {
  readonly name: string;
  readonly step: number;
  readonly head: Head;
  readonly rbfJ: number;
  /** What a person must know of what they were trained on, if anything. */
  readonly note?: string | undefined;
}
