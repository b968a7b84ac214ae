import { kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/placed-layer.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { isVector, type Shape, shapeSize } from '../../shared/model/shape.ts';

/** A layer as people look at it: one with those behind it that refine its output, such as a norm and an activation. */
export interface ShownLayer {
  /** The first one's. */
  readonly name: string;
  readonly layers: readonly [first: LayerLayout, ...refining: LayerLayout[]];
  /** Of the last one's output; what is flattened keeps its form here. */
  readonly shape: Shape;
  /** The shown layers that it reads, by their places; -1 is the model's input. */
  readonly sources: readonly number[];
}

export interface ShownModel {
  /** Samples as the first layers find them: padded, say. */
  readonly input: Shape;
  readonly layers: readonly ShownLayer[];
}

/** Groups a model's layers. A layer whose output several others read stays as it is. */
export function shownLayers({ layers, input }: ModelLayout): ShownModel {
  const groups: { readonly layers: [LayerLayout, ...LayerLayout[]]; shape: Shape }[] = [];
  /** Per place of a layer, its group's; -1 for what belongs to the input. */
  const groupOf: number[] = [];
  let inputShape = input;
  for (const layer of layers) {
    const [source = -1] = layer.sources;
    const isAlone = layers.filter(({ sources }) => sources.includes(source)).length === 1;
    const refines = kindOf(layer.spec).refines === true && isAlone;
    const group = source === -1 ? undefined : groups[groupOf[source] as number];
    if (refines && group !== undefined) {
      group.layers.push(layer);
      group.shape = refinedShape(group.shape, layer.output);
      groupOf.push(groupOf[source] as number);
    } else if (refines && layer.tensors.length === 0 && layer.place < layers.length - 1) {
      inputShape = refinedShape(inputShape, layer.output);
      groupOf.push(-1);
    } else {
      groups.push({ layers: [layer], shape: layer.output });
      groupOf.push(groups.length - 1);
    }
  }
  const shown = groups.map(({ layers: members, shape }): ShownLayer => {
    const [first] = members;
    const sources = first.sources.map((source) => (source === -1 ? -1 : (groupOf[source] as number)));
    return { name: first.spec.name, layers: members, shape, sources };
  });
  return { input: inputShape, layers: shown };
}

/** A flattened stack is looked at as the stack. */
function refinedShape(before: Shape, after: Shape): Shape {
  return isVector(after) && shapeSize(after) === shapeSize(before) ? before : after;
}

/** What the layers behind the first one do, such as `batch normalization and ReLU`; undefined if there are none. */
export function refinementText({ layers: [, ...refining] }: ShownLayer): string | undefined {
  const texts = refining.map(({ spec }) => kindOf(spec).text);
  const last = texts.pop();
  return texts.length === 0 ? last : `${texts.join(', ')} and ${last}`;
}
