import { ANY, biased, type GraphValue } from '../formats/graph.ts';
import { type KerasValue, mapsLast } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import { isVector, type Shape, shapeSize, vector } from '../shape.ts';
import { flattened, writeFlattened } from './contiguous.ts';
import { type Emit, LANES, type Value } from './emit.ts';
import type { BackwardValues, ForwardValues, Layer } from './layer.ts';
import { type LayerLayout, type LayerSpec, tensorOf } from './placed-layer.ts';

/** Sums over all inputs, without activation. */
export interface DenseSpec extends LayerSpec {
  readonly kind: 'dense';
  readonly units: number;
  readonly bias: boolean;
}

/** The activation that `denseForward` and `denseInputGradient` leave out. */
const LINEAR = 0;
/** Float32s to which rows of transposed values are rounded up (src/kernel/dense/weight-gradient.ts). */
const TRANSPOSED = 16;
/** Between kept blocks, so that the same features of all blocks don't fall on the same lines of the first-level cache. */
const CACHE_LINE = 64;
/** Bytes that src/kernel/dense/weight-gradient.ts keeps for each pending sum of shards. */
const STACK_LEVEL = 128;
/** Maps of a colour picture. */
const PICTURE_MAPS = 3;
/** More levels than any group of shards has. */
const STACK_LEVELS = 8;

export const dense = {
  kind: 'dense',
  text: 'fully connected',
  takes: 'vectors',
  keepsBlocks: true,

  fields: (zod) => ({
    units: zod.int().min(1).max(1_000_000).describe('outputs'),
    bias: zod.boolean().default(true),
  }),
  shape: ({ units }) => vector(units),
  tensors({ spec, inputs: [input] }) {
    const inputs = shapeSize(input as Shape);
    const weight = { part: 'weight', role: 'weight', shape: [spec.units, inputs], fanIn: [inputs] } as const;
    return spec.bias ? [weight, { part: 'bias', role: 'bias', shape: [spec.units] }] : [weight];
  },
  connections: ({ spec, inputs: [input] }) => spec.units * (shapeSize(input as Shape) + Number(spec.bias)),
  macs({ spec, inputs: [input] }) {
    const macs = shapeSize(input as Shape) * spec.units;
    return { forward: macs, input: macs, weight: macs };
  },
  // Sums over a picture have the picture's form.
  kernels({ spec, inputs: [input] }) {
    const { maps, height, width } = input as Shape;
    if (height === 1 || width === 1 || maps > PICTURE_MAPS) return undefined;
    const all = Array.from({ length: maps }, (_, map) => map);
    return { height, width, inputsOf: Array.from({ length: spec.units }, () => all) };
  },

  forward(emit, layer, { inputs: [x], output }: ForwardValues) {
    const { units } = layer.spec;
    const from = flattened(emit, 'forward', x as Value);
    const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
    const count = shapeSize(from.shape);
    writeFlattened(emit, 'forward', output, (to) =>
      emit.op('forward', 'denseForward', weight, bias, from.at, count, units, LINEAR, to.at),
    );
  },
  backward(emit, layer, { inputs: [x], delta, inputDeltas: [target] }: BackwardValues) {
    const from = flattened(emit, 'train', x as Value);
    const deltas = flattened(emit, 'train', delta);
    if (emit.trains(layer)) {
      keepForShards(emit, layer, from.at, deltas.at);
      shardGradients(emit, layer);
    }
    if (target === undefined) return;
    const [inputs, { units }] = [shapeSize(from.shape), layer.spec];
    writeFlattened(emit, 'train', target, (to) =>
      emit.op(
        'train',
        'denseInputGradient',
        tensorOf(layer, 'weight'),
        deltas.at,
        from.at,
        inputs,
        units,
        LINEAR,
        to.at,
      ),
    );
  },

  tfjs(tf, { spec }, [x], { weight, bias }) {
    const sums = tf.matMul(x as Tensor, weight, false, true);
    return spec.bias ? tf.add(sums, bias) : sums;
  },
  onnx(graph, { spec, inputs: [input] }, [x], { weight, bias }) {
    const { units } = spec;
    const inputs = [x as string, graph.floats('weight', [units, shapeSize(input as Shape)], weight)];
    if (spec.bias) inputs.push(graph.floats('bias', [units], bias));
    return graph.add('', 'Gemm', inputs, { transB: 1 });
  },
  keras(keras, { spec: { units, bias: hasBias } }, [x], { weight, bias }) {
    const { name, shape } = x as KerasValue;
    const flat = isVector(shape) ? name : keras.add('flat', 'Flatten', [name]);
    const inputs = shapeSize(shape);
    const kernel = { name: 'kernel', shape: [inputs, units], values: kernelOf(weight, units, shape) };
    const weights = hasBias ? [kernel, { name: 'bias', shape: [units], values: bias }] : [kernel];
    return keras.add('', 'Dense', [flat], { units, activation: 'linear', use_bias: hasBias }, weights);
  },
  graph(graph, { spec }, [x], { weight, bias }) {
    const attributes = { transpose_a: false, transpose_b: true };
    const sums = graph.add('MatMul', [x as GraphValue, weight], [ANY, spec.units], attributes);
    return spec.bias ? biased(graph, sums, bias) : sums;
  },
} satisfies Layer<DenseSpec, 'weight' | 'bias'>;

/** From [unit][map][row][column] to [row][column][map][unit]: Keras flattens maps last. */
function kernelOf(weight: Float32Array, units: number, input: Shape): Float32Array {
  const inputs = shapeSize(input);
  const columns = Float32Array.from({ length: weight.length }, (_, i) => {
    return weight[(i % units) * inputs + Math.floor(i / units)] as number;
  });
  return mapsLast(columns, input, units);
}

/**
 * The weights' gradient is taken for a group of shards at once: until then, inputs and deltas of its blocks are kept.
 * @param x, delta pointers to vectors
 */
export function keepForShards(emit: Emit, layer: LayerLayout<DenseSpec>, x: number, delta: number): void {
  const [inputs, deltas] = keptOf(emit, layer);
  emit.op('train', 'transpose', x, inputs.features, inputs.at, inputs.bytes);
  emit.op('train', 'transpose', delta, deltas.features, deltas.at, deltas.bytes);
}

/** The gradients of what `keepForShards` has kept. */
export function shardGradients(emit: Emit, layer: LayerLayout<DenseSpec>): void {
  const [inputs, deltas] = keptOf(emit, layer);
  const stack = emit.scratch(`${layer.spec.name}.stack`, STACK_LEVEL * STACK_LEVELS);
  const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
  const sizes = [emit.shardBlocks * LANES, inputs.features, deltas.features];
  const places = [weight, bias, stack, deltas.bytes, inputs.bytes];
  emit.op('shards', 'denseWeightGradient', deltas.at, inputs.at, ...sizes, ...places);
}

function keptOf(emit: Emit, { spec, inputs: [input] }: LayerLayout<DenseSpec>) {
  const kept = (name: string, features: number) => {
    const bytes = 4 * LANES * TRANSPOSED * Math.ceil(features / TRANSPOSED) + CACHE_LINE;
    return { features, bytes, at: emit.scratch(`${spec.name}.${name}`, emit.keptBlocks * bytes) };
  };
  return [kept('inputs', shapeSize(input as Shape)), kept('deltas', spec.units)] as const;
}
