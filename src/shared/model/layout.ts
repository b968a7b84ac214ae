import { ModelError } from '../util/errors.ts';
import { headOf, kindOf } from './kinds.ts';
import { INPUT, type LayerLayout, type LayerSpec, type PlacedLayer, type TensorLayout } from './layers/placed-layer.ts';
import { type Shape, shapeSize, shapeText } from './shape.ts';
import type { ModelSpec } from './spec.ts';
import type { TrainingLoss } from './training-loss.ts';

export interface ModelLayout {
  readonly spec: ModelSpec;
  /** A sample. */
  readonly input: Shape;
  readonly layers: readonly LayerLayout[];
  /** In the flat order of checkpoints and hashes: layer by layer, state behind everything else. */
  readonly tensors: readonly TensorLayout[];
  /** Elements of all tensors. */
  readonly parameters: number;
  /** Of these, the first elements, which are optimized. */
  readonly trainable: number;
  /** Classes, or outputs. */
  readonly classes: number;
  /** Undefined: training has the loss of the head. */
  readonly loss?: TrainingLoss | undefined;
}

/** Bounds far beyond what 4 GiB of shared memory carry: so that no product of sizes overflows. */
export const MAX_PARAMETERS = 2 ** 25;
const MAX_VALUES = 2 ** 24;

/**
 * Derives every layer's shapes and tensors.
 * @param frozen names of layers that aren't trained
 * @throws ModelError if the layers don't fit each other
 */
export function layoutOf(spec: ModelSpec, frozen: readonly string[] = []): ModelLayout {
  const placed = placeLayers(spec);
  checkRead(placed);
  checkFrozen(frozen, spec);
  const specs = placed.map((layer) => ({ layer, tensors: kindOf(layer.spec).tensors(layer) }));
  let offset = 0;
  const own = specs.map((): TensorLayout[] => []);
  const place = (isState: boolean): void => {
    for (const [i, { layer, tensors }] of specs.entries()) {
      for (const { fanIn = [], fill = 0, momentum = 0, ...tensor } of tensors) {
        if ((tensor.role === 'state') !== isState) continue;
        const size = tensor.shape.reduce((product, side) => product * side, 1);
        own[i]?.push({ ...tensor, fanIn, fill, momentum, name: `${layer.spec.name}.${tensor.part}`, offset, size });
        offset += size;
      }
    }
  };
  place(false);
  const trainable = offset;
  place(true);
  if (offset > MAX_PARAMETERS)
    throw new ModelError(
      `${spec.name}: ${offset} parameters are more than ${MAX_PARAMETERS}, the most that a model may have.`,
    );
  const layers = placed.map((layer, i): LayerLayout => {
    const tensors = own[i] as TensorLayout[];
    const parameters = tensors.reduce((sum, { size }) => sum + size, 0);
    return { ...layer, tensors, parameters, frozen: frozen.includes(layer.spec.name) };
  });
  const tensors = own.flat().sort((a, b) => a.offset - b.offset);
  const classes = headOf(spec.head).outputs(spec.head, layers.at(-1)?.output ?? spec.input);
  return { spec, input: spec.input, layers, tensors, parameters: offset, trainable, classes };
}

function placeLayers({ input, layers }: ModelSpec): (PlacedLayer & Pick<LayerLayout, 'place' | 'sources'>)[] {
  const placeOf = new Map([[INPUT, -1]]);
  const outputs: Shape[] = [];
  return layers.map((spec, place) => {
    const sources = spec.inputs.map((name) => sourceOf(spec, name, placeOf));
    const inputs = sources.map((source) => (source === -1 ? input : (outputs[source] as Shape)));
    const output = kindOf(spec).shape(spec, inputs);
    if (shapeSize(output) > MAX_VALUES)
      throw new ModelError(`${spec.name}: its output ${shapeText(output)} has more than ${MAX_VALUES} values.`);
    placeOf.set(spec.name, place);
    outputs.push(output);
    return { spec, place, sources, inputs, output };
  });
}

function sourceOf({ name }: LayerSpec, input: string, placeOf: ReadonlyMap<string, number>): number {
  const source = placeOf.get(input);
  if (source !== undefined) return source;
  throw new ModelError(`${name}: its input ${input} is no layer before it.`);
}

/** The last layer's output is the model's; every other one must go somewhere. */
function checkRead(layers: readonly Pick<LayerLayout, 'spec' | 'sources'>[]): void {
  const read = new Set(layers.flatMap(({ sources }) => sources));
  const unread = layers.slice(0, -1).find((_layer, place) => !read.has(place));
  if (unread !== undefined)
    throw new ModelError(`${unread.spec.name}: no layer reads its output. Name it in another layer's inputs.`);
}

function checkFrozen(frozen: readonly string[], { name, layers }: ModelSpec): void {
  const unknown = frozen.find((each) => !layers.some((layer) => layer.name === each));
  if (unknown === undefined) return;
  const names = layers.map((layer) => layer.name).join(', ');
  throw new ModelError(`The model ${name} has no layer ${unknown} to freeze. Its layers: ${names}.`);
}
