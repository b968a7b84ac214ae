import type { HEADS, LAYERS } from './kinds.ts';

/**
 * A model is data: layers in order, each with the name that its tensors carry. Shapes, parameters, connections and the
 * memory plan are derived from it (layout.ts); the kernel, the reference and other backends read the same spec.
 */
export interface ModelSpec {
  readonly name: string;
  readonly input: InputSpec;
  readonly layers: readonly LayerSpec[];
  readonly head: HeadSpec;
}

/** Bytes [height][width], scaled to 0..1 and zero-padded by `padding` pixels on every side. */
export interface InputSpec {
  readonly height: number;
  readonly width: number;
  readonly padding: number;
}

/** The specs of all kinds of layers, as their files in layers/ have them. */
export type LayerSpec = Parameters<(typeof LAYERS)[number]['shape']>[0];
export type HeadSpec = Parameters<(typeof HEADS)[number]['shape']>[0];
