import type { Inputs } from '../../data/dataset.ts';
import type { Shape } from '../../model/shape.ts';
import type { PhiloxStream } from '../../util/philox.ts';
import type { Geometry } from './geometry.ts';

/** How much a kind changes, as NAME:STRENGTH gives it. */
export interface Strength {
  /** At 0 nothing changes. */
  readonly max: number;
  /** Strengths are multiples of this. */
  readonly step: number;
  readonly default: number;
  /** For help, such as pixels. */
  readonly unit: string;
}

/** One sample [maps][height][width] by itself. */
export interface Picture extends Shape {
  readonly values: Inputs;
}

/** What all kinds of augmentation have. How each draws and computes is part of the determinism contract: docs/determinism.md. */
interface CommonKind {
  /** In --augment. */
  readonly name: string;
  /** For help. */
  readonly help: string;
  /** Numbers the streams that it draws from, so that no other kind changes what it draws; never given again. */
  readonly number: number;
  /** Undefined: there is only one. */
  readonly strength?: Strength;
  /** It computes with bytes: samples of floats are refused. */
  readonly needsBytes?: true;
  /** Numbers of maps that it knows how to change (default: any). */
  readonly maps?: readonly number[];
}

/** Moves pixels: all such kinds together are one mapping, so that a picture is interpolated once. */
export interface GeometryKind extends CommonKind {
  readonly stage: 'geometry';
  /** @param stream at the first word of the sample's position */
  apply(geometry: Geometry, strength: number, stream: PhiloxStream): void;
}

/** Changes values in place, before pixels move or after that. */
export interface ValueKind extends CommonKind {
  readonly stage: 'before' | 'after';
  /** @param stream at the first word of the sample's position */
  apply(picture: Picture, strength: number, stream: PhiloxStream): void;
}

/** Only draws: the backend changes the samples while it decodes them, after all other kinds. */
export interface DecodedKind extends CommonKind {
  readonly stage: 'decode';
}

export type AugmentationKind = GeometryKind | ValueKind | DecodedKind;

/** A whole number from -bound to bound, every one equally likely. */
export function symmetric(stream: PhiloxStream, bound: number): number {
  return stream.below(2 * bound + 1) - bound;
}
