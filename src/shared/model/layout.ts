import { kindOf } from './kinds.ts';
import type { LayerLayout, TensorLayout } from './layers/layer.ts';
import type { Shape } from './shape.ts';
import type { HeadSpec, LayerSpec, ModelSpec } from './spec.ts';

export interface ModelLayout {
  readonly spec: ModelSpec;
  /** An image before it is padded. */
  readonly input: Shape;
  /** The head is the last. */
  readonly layers: readonly LayerLayout<LayerSpec | HeadSpec>[];
  readonly tensors: readonly TensorLayout[];
  readonly parameters: number;
}

/**
 * Derives every layer's shapes, tensors (in the flat order of checkpoints and hashes) and connection counts.
 * @throws ModelError if the layers don't fit each other
 */
export function layoutOf(spec: ModelSpec): ModelLayout {
  const layers: LayerLayout<LayerSpec | HeadSpec>[] = [];
  const { height, width, padding } = spec.input;
  const input: Shape = { maps: 1, height, width };
  let offset = 0;
  let shape: Shape = { ...input, height: height + 2 * padding, width: width + 2 * padding };
  for (const layer of [...spec.layers, spec.head]) {
    const layout = layerLayout(layer, shape, offset);
    layers.push(layout);
    shape = layout.output;
    offset += layout.parameters;
  }
  return { spec, input, layers, tensors: layers.flatMap((layer) => layer.tensors), parameters: offset };
}

function layerLayout<S extends LayerSpec | HeadSpec>(spec: S, input: Shape, offset: number): LayerLayout<S> {
  const kind = kindOf(spec);
  const placed = { spec, input, output: kind.shape(spec, input) };
  let next = offset;
  const tensors = kind.tensors(placed).map(({ part, shape, fanIn = [], fill = 0 }) => {
    const size = shape.reduce((product, side) => product * side, 1);
    const tensor = { name: `${spec.name}.${part}`, part, shape, offset: next, size, fanIn, fill };
    next += size;
    return tensor;
  });
  const [connections, inputsOf] = [kind.connections(placed), kind.inputsOf?.(placed) ?? []];
  return { ...placed, tensors, parameters: next - offset, connections, inputsOf };
}
