import { PhiloxStream, PURPOSE } from '../../util/philox.ts';
import { type GraphValue, INT32, scaled } from '../formats/graph.ts';
import type { KerasValue } from '../formats/keras.ts';
import type { Tensor, TensorPass } from '../formats/tensorflow.ts';
import { type Shape, shapeSize } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerLayout, LayerSpec } from './placed-layer.ts';

/**
 * In training each value is dropped with probability `rate`, and the others are multiplied by 1 / (1 - rate) (N. Srivastava et al.,
 * "Dropout", JMLR 2014). Which ones is a function of the seed, the layer's place and the sample's place in the stream.
 */
export interface DropoutSpec extends LayerSpec {
  readonly kind: 'dropout';
  readonly rate: number;
}

export const dropout = {
  kind: 'dropout',
  text: 'dropout',
  isElementwise: true,
  refines: true,

  fields: (zod) => ({ rate: zod.number().min(0).max(0.999).describe('the share of values that are dropped') }),
  shape: (_spec, [input]) => input as Shape,
  tensors: () => [],
  macs: () => NO_MACS,
  needs: () => ({ inPlace: true }),

  forward(emit, { spec: { rate }, place }, { inputs: [x], output }, training) {
    const { shape } = output;
    const stack = [x as Value, output, shape.maps, sides(shape)];
    if (!training) {
      if ((x as Value).at !== output.at) emit.op('forward', 'copyMaps', ...stack);
      return;
    }
    const mask = emit.scratch('mask', shapeSize(shape));
    const { positions, key } = emit.block;
    emit.op('forward', 'dropout', ...stack, place, Math.floor(rate * 2 ** 32), scaleOf(rate), mask, positions, key);
  },
  backward(emit, { spec: { rate } }, { output: { shape }, delta, inputDeltas: [target] }) {
    if (target === undefined) return;
    const mask = emit.scratch('mask', shapeSize(shape));
    emit.op('train', 'dropoutBackward', delta, target, shape.maps, sides(shape), scaleOf(rate), mask);
  },

  tfjs(tf, layer, [x], _parameters, pass) {
    const { shape } = x as Tensor;
    return pass.training ? tf.mul(x as Tensor, tf.tensor(factorsOf(layer, pass), shape)) : (x as Tensor);
  },
  // A trained network drops nothing.
  onnx: (_graph, _layer, [x]) => x as string,
  keras: (keras, { spec: { rate } }, [x]) => keras.add('', 'Dropout', [(x as KerasValue).name], { rate }),
  graph: (graph, { spec }, [x]) => {
    const value = x as GraphValue;
    const shape = graph.constant('keep/shape', Int32Array.from(value.shape), [value.shape.length]);
    const words = graph.add('keep/RandomUniform', [shape], value.shape, { T: INT32, dtype: { type: 'float' } });
    const rate = graph.constant('keep/rate', Float32Array.of(spec.rate), []);
    const kept = graph.add('keep/GreaterEqual', [words, rate], value.shape);
    const mask = graph.cast('keep/Cast', kept, 'bool', 'float');
    return scaled(graph, 'scale', graph.add('Mul', [value, mask], value.shape), scaleOf(spec.rate));
  },
} satisfies Layer<DropoutSpec, never>;

/** What the values of each sample are multiplied by: [count][height][width][maps]. */
function factorsOf({ spec: { rate }, place, output }: LayerLayout<DropoutSpec>, pass: TensorPass): Float32Array {
  const size = shapeSize(output);
  const area = output.height * output.width;
  const [scale, threshold] = [scaleOf(rate), Math.floor(rate * 2 ** 32)];
  const stream = new PhiloxStream(pass.seed, PURPOSE.dropout + 256 * place);
  const factors = new Float32Array(pass.positions.length * size);
  for (const [sample, position] of pass.positions.entries()) {
    stream.seek(position);
    for (let word = 0; word < size; word++) {
      const to = sample * size + (word % area) * output.maps + Math.floor(word / area);
      factors[to] = stream.next() < threshold ? 0 : scale;
    }
  }
  return factors;
}

function scaleOf(rate: number): number {
  return 1 / (1 - rate);
}
