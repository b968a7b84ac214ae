import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { specOf } from '#src/shared/model/registry.js';
import type { ModelSpec } from '#src/shared/model/spec.js';

/** LeNet-5 by its head. */
export function lenet5(head: 'softmax' | 'rbf', rbfJ = 0.1): ModelSpec {
  return specOf({ head, rbfJ });
}

/** A small model of samples of 1@28x28, as a person writes it. */
export function specFrom(layers: readonly object[], rest: object = {}): ModelSpec {
  return parseModel({ name: 'test', input: { maps: 1, height: 28, width: 28 }, layers, ...rest }, undefined, 'test');
}

export function layoutFrom(layers: readonly object[], rest: object = {}, frozen: readonly string[] = []): ModelLayout {
  return layoutOf(specFrom(layers, rest), frozen);
}
