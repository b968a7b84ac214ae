import { ModelError } from '../util/errors.ts';
import type { ConvSpec, HeadSpec, LayerSpec, ModelSpec } from './spec.ts';

/** A map stack [maps][height][width], or [units][1][1] after a dense layer. */
export interface Shape {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** A named tensor inside the flat parameter vector. */
export interface TensorLayout {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the flat vector. */
  readonly offset: number;
  readonly size: number;
  /** Per leading index, how many inputs one output sums over; empty if the tensor isn't initialized at random. */
  readonly fanIn: readonly number[];
}

export interface LayerLayout {
  readonly spec: LayerSpec | HeadSpec;
  readonly input: Shape;
  readonly output: Shape;
  readonly tensors: readonly TensorLayout[];
  readonly parameters: number;
  readonly connections: number;
  /** Convolutions: per output map, the input maps that feed it, ascending. A kernel's index in the weight tensor counts these. */
  readonly inputsOf: readonly (readonly number[])[];
}

export interface ModelLayout {
  readonly spec: ModelSpec;
  /** An image before it is padded. */
  readonly input: Shape;
  readonly layers: readonly LayerLayout[];
  readonly tensors: readonly TensorLayout[];
  readonly parameters: number;
}

export function shapeSize(shape: Shape): number {
  return shape.maps * shape.height * shape.width;
}

/**
 * Derives every layer's shapes, tensors (in the flat order of checkpoints and hashes) and connection counts.
 * @throws ModelError if the layers don't fit each other
 */
export function layoutOf(spec: ModelSpec): ModelLayout {
  const layers: LayerLayout[] = [];
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

function layerLayout(spec: LayerSpec | HeadSpec, input: Shape, offset: number): LayerLayout {
  switch (spec.kind) {
    case 'conv':
      return convLayout(spec, input, offset);
    case 'subsample': {
      if (input.height % 2 !== 0 || input.width % 2 !== 0) {
        throw new ModelError(`${spec.name}: a 2x2 subsampling needs even sides, but its input is ${text(input)}.`);
      }
      const output = { maps: input.maps, height: input.height / 2, width: input.width / 2 };
      const tensors = pack(offset, [
        { name: `${spec.name}.coefficient`, shape: [input.maps] },
        { name: `${spec.name}.bias`, shape: [input.maps] },
      ]);
      return finish(spec, { input, output, tensors, connections: shapeSize(output) * 5, inputsOf: [] });
    }
    case 'dense':
      return denseLayout(spec, spec.units, input, offset);
    case 'softmax':
      return denseLayout(spec, spec.classes, input, offset);
    case 'rbf': {
      const inputs = shapeSize(input);
      if (spec.targets.length !== spec.classes || spec.targets.some((target) => target.length !== inputs)) {
        throw new ModelError(`${spec.name}: expected ${spec.classes} targets of ${inputs} values, one per input.`);
      }
      const output = { maps: spec.classes, height: 1, width: 1 };
      return finish(spec, { input, output, tensors: [], connections: spec.classes * inputs, inputsOf: [] });
    }
  }
}

function convLayout(spec: ConvSpec, input: Shape, offset: number): LayerLayout {
  const { kernel, maps, name } = spec;
  const table = spec.table ?? Array.from({ length: input.maps }, () => Array.from({ length: maps }, (_, o) => o));
  if (table.length !== input.maps || table.flat().some((o) => !Number.isInteger(o) || o < 0 || o >= maps)) {
    throw new ModelError(
      `${name}: its table must list, for each of ${input.maps} input maps, output maps from 0 to ${maps - 1}.`,
    );
  }
  const output = { maps, height: input.height - kernel + 1, width: input.width - kernel + 1 };
  if (output.height < 1 || output.width < 1) {
    throw new ModelError(`${name}: kernels of ${kernel}x${kernel} don't fit an input of ${text(input)}.`);
  }
  const inputsOf = Array.from({ length: maps }, (_, o) => table.flatMap((fed, i) => (fed.includes(o) ? [i] : [])));
  const taps = kernel * kernel;
  const kernels = inputsOf.flat().length;
  const tensors = pack(offset, [
    {
      name: `${name}.weight`,
      shape: [kernels, kernel, kernel],
      fanIn: inputsOf.flatMap((inputs) => inputs.map(() => inputs.length * taps)),
    },
    { name: `${name}.bias`, shape: [maps] },
  ]);
  const connections = (kernels * taps + maps) * output.height * output.width;
  return finish(spec, { input, output, tensors, connections, inputsOf });
}

function denseLayout(spec: LayerSpec | HeadSpec, units: number, input: Shape, offset: number): LayerLayout {
  const inputs = shapeSize(input);
  const tensors = pack(offset, [
    { name: `${spec.name}.weight`, shape: [units, inputs], fanIn: Array.from({ length: units }, () => inputs) },
    { name: `${spec.name}.bias`, shape: [units] },
  ]);
  const output = { maps: units, height: 1, width: 1 };
  return finish(spec, { input, output, tensors, connections: units * (inputs + 1), inputsOf: [] });
}

function pack(
  offset: number,
  tensors: readonly { name: string; shape: readonly number[]; fanIn?: readonly number[] }[],
): TensorLayout[] {
  let next = offset;
  return tensors.map(({ name, shape, fanIn = [] }) => {
    const size = shape.reduce((product, side) => product * side, 1);
    const tensor = { name, shape, offset: next, size, fanIn };
    next += size;
    return tensor;
  });
}

function finish(spec: LayerSpec | HeadSpec, layer: Omit<LayerLayout, 'spec' | 'parameters'>): LayerLayout {
  return { spec, ...layer, parameters: layer.tensors.reduce((sum, tensor) => sum + tensor.size, 0) };
}

function text(shape: Shape): string {
  return `${shape.maps}@${shape.height}x${shape.width}`;
}
