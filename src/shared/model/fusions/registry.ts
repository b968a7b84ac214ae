import type { ModelLayout } from '../layout.ts';
import type { Fusion } from './fusion.ts';
import { lenet } from './lenet.ts';

const FUSIONS: readonly Fusion[] = [lenet];

/** What computes a model's layers as one; undefined if they are computed one by one. */
export function fusionOf(layout: ModelLayout): Fusion | undefined {
  return FUSIONS.find((fusion) => fusion.matches(layout));
}
