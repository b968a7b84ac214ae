import type { GraphValue } from '../formats/graph.ts';
import type { KerasValue } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import type { Border, Shape } from '../shape.ts';
import { POSITION, sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';
import { graphPadded, kerasPadded, tensorPadded } from './window-formats.ts';

/** Rows and columns of zeros around each map. */
export interface ZeroPadSpec extends LayerSpec {
  readonly kind: 'zero-pad';
  readonly padding: readonly [top: number, left: number, bottom: number, right: number];
}

/** Rows or columns on one side. */
const MAX_PADDING = 1024;

export const zeroPad = {
  kind: 'zero-pad',
  text: 'zero padding',
  takes: 'stacks',
  refines: true,

  fields(zod) {
    const side = zod.int().min(0).max(MAX_PADDING);
    const four = zod.tuple([side, side, side, side]);
    const padding = zod.union([four, side]).transform((value): ZeroPadSpec['padding'] => {
      return typeof value === 'number' ? [value, value, value, value] : value;
    });
    return { padding: padding.describe('rows above, columns to the left, rows below, columns to the right') };
  },
  shape({ padding: [top, left, bottom, right] }, [input]) {
    const { maps, height, width } = input as Shape;
    return { maps, height: top + height + bottom, width: left + width + right };
  },
  tensors: () => [],
  macs: () => NO_MACS,
  // Nothing may work in place on its output, whose zeros are never written again.
  needs: () => ({ keepsOutput: true }),
  forward(emit, { spec }, { inputs: [x], output }) {
    const from = x as Value;
    emit.op('forward', 'copyMaps', from, inside(output, spec, from.shape), from.shape.maps, sides(from.shape));
  },
  backward(emit, { spec }, { delta, inputDeltas: [target] }) {
    if (target === undefined) return;
    const { shape } = target;
    emit.op('train', 'copyMaps', inside(delta, spec, shape), target, shape.maps, sides(shape));
  },

  tfjs: (tf, { spec }, [x]) => tensorPadded(tf, x as Tensor, borderOf(spec)),
  onnx(graph, { spec: { padding } }, [x]) {
    const [top, left, bottom, right] = padding;
    // Samples, maps, rows, columns: before each, then behind each.
    const paddings = graph.integers('sides', [0, 0, top, left, 0, 0, bottom, right]);
    return graph.add('', 'Pad', [x as string, paddings]);
  },
  keras: (keras, { spec }, [x]) => kerasPadded(keras, '', (x as KerasValue).name, borderOf(spec)),
  graph: (graph, { spec }, [x]) => graphPadded(graph, x as GraphValue, borderOf(spec)),
} satisfies Layer<ZeroPadSpec, never>;

function borderOf({ padding: [top, left, bottom, right] }: ZeroPadSpec): Border {
  return { top, left, bottom, right };
}

/** What lies within the zeros, which are never written. */
function inside(padded: Value, { padding: [top, left] }: ZeroPadSpec, shape: Shape): Value {
  return { ...padded, shape, at: padded.at + top * padded.row + left * POSITION };
}
