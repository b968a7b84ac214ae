import { ModelError } from '../../util/errors.ts';
import { biased, CHANNELS_FIRST, type GraphEmitter, type GraphValue, INT32, stackOf } from '../formats/graph.ts';
import { CHANNELS_LAST } from '../formats/keras.ts';
import { type Rearranged, rearrange } from '../formats/tensorflow.ts';
import { type Shape, shapeText } from '../shape.ts';
import type { Layer, LayerLayout, NamedSpec, PlacedLayer } from './layer.ts';

/** A square convolution of stride 1 without padding or activation; always followed by a subsampling layer. */
export interface ConvSpec extends NamedSpec {
  readonly kind: 'conv';
  /** Output maps. */
  readonly maps: number;
  /** Rows and columns of a kernel. */
  readonly kernel: number;
  /** Per input map, the output maps that it feeds; all of them if absent. */
  readonly table?: readonly (readonly number[])[];
}

export const conv: Layer<ConvSpec, 'weight' | 'bias'> = {
  kind: 'conv',
  text: 'convolution',
  outputText: 'feature maps, before subsampling',

  shape({ name, maps, kernel, table }, input) {
    if (table && (table.length !== input.maps || table.flat().some((o) => !Number.isInteger(o) || o < 0 || o >= maps)))
      throw new ModelError(
        `${name}: its table must list, for each of ${input.maps} input maps, output maps from 0 to ${maps - 1}.`,
      );
    const output: Shape = { maps, height: input.height - kernel + 1, width: input.width - kernel + 1 };
    if (output.height >= 1 && output.width >= 1) return output;
    throw new ModelError(`${name}: kernels of ${kernel}x${kernel} don't fit an input of ${shapeText(input)}.`);
  },
  tensors(layer) {
    const { kernel, maps } = layer.spec;
    const fanIn = inputsOf(layer).flatMap((inputs) => inputs.map(() => inputs.length * kernel * kernel));
    return [
      { part: 'weight', shape: [fanIn.length, kernel, kernel], fanIn },
      { part: 'bias', shape: [maps] },
    ];
  },
  connections(layer) {
    const { spec, output } = layer;
    const weights = inputsOf(layer).flat().length * spec.kernel ** 2;
    return (weights + spec.maps) * output.height * output.width;
  },
  inputsOf,
  macs({ tensors, output }) {
    // After the subsampling a quarter of the positions are left.
    const macs = ((tensors[0]?.size ?? 0) * output.height * output.width) / 4;
    return { forward: macs, input: macs, weight: macs };
  },

  tfjs: (tf, _layer, x, { weight, bias }) => tf.add(tf.conv2d(x, weight, 1, 'valid'), bias),
  rearranged: (layer) => ({ weight: tfjsFilter(layer) }),
  onnx(graph, layer, x, { weight, bias }) {
    const { name, kernel, maps } = layer.spec;
    const taps = kernel * kernel;
    const filter = {
      shape: [maps, layer.input.maps, kernel, kernel],
      places: placesOf(layer, (tap, from, to) => (to * layer.input.maps + from) * taps + tap),
    };
    const inputs = [
      x,
      graph.floats(`${name}.weight`, filter.shape, rearrange(filter, weight)),
      graph.floats(`${name}.bias`, [maps], bias),
    ];
    return graph.add(name, 'Conv', inputs, { kernel_shape: [kernel, kernel] });
  },
  keras(layer, { weight, bias }) {
    const { name, kernel, maps } = layer.spec;
    const filter = tfjsFilter(layer);
    const config = { filters: maps, kernel_size: [kernel, kernel], strides: [1, 1], use_bias: true };
    const weights = [
      { name: `${name}/kernel`, shape: filter.shape, values: rearrange(filter, weight) },
      { name: `${name}/bias`, shape: [maps], values: bias },
    ];
    return [{ className: 'Conv2D', config: { name, ...config, activation: 'linear', ...CHANNELS_LAST }, weights }];
  },
  graph(graph, layer, x, { weight, bias }) {
    const filter = graphFilter(graph, layer, weight);
    const attributes = { ...CHANNELS_FIRST, strides: [1, 1, 1, 1], padding: 'VALID' };
    return biased(graph, graph.add('Conv2D', [x, filter], stackOf(layer.output), attributes), bias);
  },
};

function inputsOf({ spec, input }: PlacedLayer<ConvSpec>): number[][] {
  const feeds = (i: number, o: number): boolean => spec.table?.[i]?.includes(o) ?? true;
  const inputs = Array.from({ length: input.maps }, (_, i) => i);
  return Array.from({ length: spec.maps }, (_, o) => inputs.filter((i) => feeds(i, o)));
}

/** The place of each element of the kernels in a filter over all maps, which has zeros if the table has no connection. */
function placesOf(
  { spec, inputsOf }: LayerLayout<ConvSpec>,
  place: (tap: number, from: number, to: number) => number,
): Int32Array {
  const taps = Array.from({ length: spec.kernel ** 2 }, (_, tap) => tap);
  return Int32Array.from(
    inputsOf.flatMap((inputs, to) => inputs.flatMap((from) => taps.map((tap) => place(tap, from, to)))),
  );
}

/** [row][column][input map][output map] */
function tfjsFilter(layer: LayerLayout<ConvSpec>): Rearranged {
  const { spec, input, output } = layer;
  return {
    shape: [spec.kernel, spec.kernel, input.maps, output.maps],
    places: placesOf(layer, (tap, from, to) => (tap * input.maps + from) * output.maps + to),
  };
}

/** The weights [kernels][5][5] of the existing connections become filters [5][5][input maps][output maps]. */
function graphFilter(
  graph: GraphEmitter,
  { spec: { kernel }, input, output, inputsOf }: LayerLayout<ConvSpec>,
  weight: GraphValue,
): GraphValue {
  const shape = [output.maps, input.maps, kernel, kernel];
  const size = graph.constant('filter/shape', Int32Array.from(shape), [4]);
  let maps: GraphValue;
  if (inputsOf.every(({ length }) => length === input.maps)) {
    maps = graph.add('filter/Reshape', [weight, size], shape, { Tshape: INT32 });
  } else {
    const pairs = inputsOf.flatMap((inputs, to) => inputs.flatMap((from) => [to, from]));
    const table = graph.constant('filter/connections', Int32Array.from(pairs), [pairs.length / 2, 2]);
    maps = graph.add('filter/ScatterNd', [table, weight, size], shape, { Tindices: INT32 });
  }
  const order = graph.constant('filter/order', Int32Array.of(2, 3, 1, 0), [4]);
  return graph.add('filter/Transpose', [maps, order], [kernel, kernel, input.maps, output.maps], { Tperm: INT32 });
}
