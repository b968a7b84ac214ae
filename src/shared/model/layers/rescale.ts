import { type GraphValue, scaled } from '../formats/graph.ts';
import type { KerasValue } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** x times scale, plus offset. */
export interface RescaleSpec extends LayerSpec {
  readonly kind: 'rescale';
  readonly scale: number;
  readonly offset: number;
}

export const rescale = {
  kind: 'rescale',
  text: 'rescaling',
  isElementwise: true,
  refines: true,

  fields: (zod) => ({
    scale: zod.number().min(-1e6).max(1e6).default(1),
    offset: zod.number().min(-1e6).max(1e6).default(0),
  }),
  shape: (_spec, [input]) => input as Shape,
  tensors: () => [],
  macs: () => NO_MACS,
  needs: () => ({ inPlace: true }),
  forward(emit, { spec: { scale, offset } }, { inputs: [x], output }) {
    emit.op('forward', 'affine', x as Value, output, output.shape.maps, sides(output.shape), scale, offset);
  },
  backward(emit, { spec: { scale } }, { output: { shape }, delta, inputDeltas: [target] }) {
    if (target !== undefined) emit.op('train', 'affine', delta, target, shape.maps, sides(shape), scale, 0);
  },

  tfjs: (tf, { spec }, [x]) => tf.add(tf.mul(x as Tensor, spec.scale), spec.offset),
  onnx(graph, { spec }, [x]) {
    const scalar = (part: string, value: number): string => graph.floats(part, [], Float32Array.of(value));
    const product = graph.add('scaled', 'Mul', [x as string, scalar('scale', spec.scale)]);
    return graph.add('', 'Add', [product, scalar('offset', spec.offset)]);
  },
  keras: (keras, { spec: { scale, offset } }, [x]) =>
    keras.add('', 'Rescaling', [(x as KerasValue).name], { scale, offset }),
  graph(graph, { spec }, [x]) {
    const product = scaled(graph, 'scale', x as GraphValue, spec.scale);
    return graph.add('Add', [product, graph.constant('offset', Float32Array.of(spec.offset), [])], product.shape);
  },
} satisfies Layer<RescaleSpec, never>;
