import { type LayerLayout, type Shape, shapeSize } from '../../../shared/model/layout.ts';
import { type Activation, type RbfHeadSpec, TANH_AMPLITUDE, TANH_SLOPE } from '../../../shared/model/spec.ts';
import { ANY, FLOAT, type GraphBuilder, numbersAttr, type Output, textAttr, typeAttr } from './graph-builder.ts';

const CHANNELS_FIRST = { data_format: textAttr('NCHW') };

/** Adds a layer's nodes below its scope. `held`: its variables. */
export function layerOf(
  graph: GraphBuilder,
  scope: string,
  layer: LayerLayout,
  x: Output,
  held: readonly Output[],
): Output {
  const { spec } = layer;
  switch (spec.kind) {
    case 'conv':
      return convOf(graph, scope, layer, x, held);
    case 'subsample':
      return subsampleOf(graph, scope, layer, x, held);
    case 'dense':
      return activate(graph, scope, spec.activation, denseOf(graph, scope, layer, x, held));
    case 'softmax':
      return denseOf(graph, scope, layer, x, held);
    case 'rbf':
      return distancesOf(graph, scope, spec, x);
  }
}

/** The weights [kernels][5][5] of the existing connections become filters [5][5][input maps][output maps]. */
function convOf(graph: GraphBuilder, scope: string, layer: LayerLayout, x: Output, held: readonly Output[]): Output {
  const [weight, bias] = held as [Output, Output];
  const { input, output, inputsOf } = layer;
  const [, rows = 1, columns = 1] = weight.shape;
  const full = [output.maps, input.maps, rows, columns];
  const size = graph.constant(`${scope}/filter/shape`, Int32Array.from(full), [4]);
  const name = `${scope}/filter/${inputsOf.every(({ length }) => length === input.maps) ? 'Reshape' : 'ScatterNd'}`;
  let maps: Output;
  if (name.endsWith('Reshape')) {
    const attr = { ...FLOAT, Tshape: typeAttr('int32') };
    maps = graph.add(name, { op: 'Reshape', inputs: [weight, size], shape: full, attr });
  } else {
    const pairs = inputsOf.flatMap((inputs, to) => inputs.flatMap((from) => [to, from]));
    const table = graph.constant(`${scope}/filter/connections`, Int32Array.from(pairs), [pairs.length / 2, 2]);
    const attr = { ...FLOAT, Tindices: typeAttr('int32') };
    maps = graph.add(name, { op: 'ScatterNd', inputs: [table, weight, size], shape: full, attr });
  }
  const order = graph.constant(`${scope}/filter/order`, Int32Array.of(2, 3, 1, 0), [4]);
  const filter = graph.add(`${scope}/filter/Transpose`, {
    op: 'Transpose',
    inputs: [maps, order],
    shape: [rows, columns, input.maps, output.maps],
    attr: { ...FLOAT, Tperm: typeAttr('int32') },
  });
  const attr = { ...FLOAT, ...CHANNELS_FIRST, strides: numbersAttr([1, 1, 1, 1]), padding: textAttr('VALID') };
  const sums = graph.add(`${scope}/Conv2D`, { op: 'Conv2D', inputs: [x, filter], shape: mapsOf(output), attr });
  return biased(graph, scope, sums, bias);
}

function subsampleOf(
  graph: GraphBuilder,
  scope: string,
  { output }: LayerLayout,
  x: Output,
  held: readonly Output[],
): Output {
  const [coefficient, bias] = held as [Output, Output];
  const shape = mapsOf(output);
  const window = numbersAttr([1, 1, 2, 2]);
  const attr = { ...FLOAT, ...CHANNELS_FIRST, ksize: window, strides: window, padding: textAttr('VALID') };
  const means = graph.add(`${scope}/AvgPool`, { op: 'AvgPool', inputs: [x], shape, attr });
  const four = graph.constant(`${scope}/sum/count`, Float32Array.of(4), []);
  const sums = graph.add(`${scope}/sum/Mul`, { op: 'Mul', inputs: [means, four], shape, attr: FLOAT });
  const size = graph.constant(`${scope}/scale/shape`, Int32Array.of(output.maps, 1, 1), [3]);
  const perMap = graph.add(`${scope}/scale/Reshape`, {
    op: 'Reshape',
    inputs: [coefficient, size],
    shape: [output.maps, 1, 1],
    attr: { ...FLOAT, Tshape: typeAttr('int32') },
  });
  const scaled = graph.add(`${scope}/scale/Mul`, { op: 'Mul', inputs: [sums, perMap], shape, attr: FLOAT });
  return relu(graph, scope, biased(graph, scope, scaled, bias));
}

function denseOf(graph: GraphBuilder, scope: string, layer: LayerLayout, x: Output, held: readonly Output[]): Output {
  const [weight, bias] = held as [Output, Output];
  const inputs = shapeSize(layer.input);
  const rows = x.shape.length === 2 ? x : flat(graph, scope, x, inputs);
  const attr = { ...FLOAT, transpose_a: { b: false }, transpose_b: { b: true } };
  const shape = [ANY, layer.output.maps];
  const sums = graph.add(`${scope}/MatMul`, { op: 'MatMul', inputs: [rows, weight], shape, attr });
  return biased(graph, scope, sums, bias);
}

function flat(graph: GraphBuilder, scope: string, x: Output, size: number): Output {
  const shape = graph.constant(`${scope}/flat/shape`, Int32Array.of(ANY, size), [2]);
  const attr = { ...FLOAT, Tshape: typeAttr('int32') };
  return graph.add(`${scope}/flat/Reshape`, { op: 'Reshape', inputs: [x, shape], shape: [ANY, size], attr });
}

function activate(graph: GraphBuilder, scope: string, activation: Activation, x: Output): Output {
  if (activation === 'relu') return relu(graph, scope, x);
  const { shape } = x;
  const slope = graph.constant(`${scope}/tanh/slope`, Float32Array.of(TANH_SLOPE), []);
  const scaled = graph.add(`${scope}/tanh/Mul`, { op: 'Mul', inputs: [x, slope], shape, attr: FLOAT });
  const bounded = graph.add(`${scope}/tanh/Tanh`, { op: 'Tanh', inputs: [scaled], shape, attr: FLOAT });
  const amplitude = graph.constant(`${scope}/amplify/amplitude`, Float32Array.of(TANH_AMPLITUDE), []);
  return graph.add(`${scope}/amplify/Mul`, { op: 'Mul', inputs: [bounded, amplitude], shape, attr: FLOAT });
}

/** Scores -y, where y_i is the squared distance to target i. */
function distancesOf(graph: GraphBuilder, scope: string, { classes, targets }: RbfHeadSpec, x: Output): Output {
  const units = x.shape[1] as number;
  const axis = graph.constant(`${scope}/row/axis`, Int32Array.of(1), []);
  const rows = graph.add(`${scope}/row/ExpandDims`, {
    op: 'ExpandDims',
    inputs: [x, axis],
    shape: [ANY, 1, units],
    attr: { ...FLOAT, Tdim: typeAttr('int32') },
  });
  const bitmaps = graph.constant(`${scope}/bitmaps`, Float32Array.from(targets.flat()), [classes, units]);
  const op = 'SquaredDifference';
  const squares = graph.add(`${scope}/${op}`, {
    op,
    inputs: [rows, bitmaps],
    shape: [ANY, classes, units],
    attr: FLOAT,
  });
  const last = graph.constant(`${scope}/Sum/axis`, Int32Array.of(2), []);
  const attr = { ...FLOAT, Tidx: typeAttr('int32'), keep_dims: { b: false } };
  const shape = [ANY, classes];
  const distances = graph.add(`${scope}/Sum`, { op: 'Sum', inputs: [squares, last], shape, attr });
  return graph.add(`${scope}/Neg`, { op: 'Neg', inputs: [distances], shape, attr: FLOAT });
}

function biased(graph: GraphBuilder, scope: string, x: Output, bias: Output): Output {
  const attr = x.shape.length === 2 ? FLOAT : { ...FLOAT, ...CHANNELS_FIRST };
  return graph.add(`${scope}/BiasAdd`, { op: 'BiasAdd', inputs: [x, bias], shape: x.shape, attr });
}

function relu(graph: GraphBuilder, scope: string, x: Output): Output {
  return graph.add(`${scope}/Relu`, { op: 'Relu', inputs: [x], shape: x.shape, attr: FLOAT });
}

/** [batch][maps][height][width] */
function mapsOf({ maps, height, width }: Shape): number[] {
  return [ANY, maps, height, width];
}
