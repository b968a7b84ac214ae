import { reshaped, transposed } from '../arrays.ts';
import type { Value } from '../builder.ts';
import type { LayerReader } from './reader.ts';

/** Kernels are [rows][columns][inputs][outputs] there. */
const KERNEL_ORDER = [3, 2, 0, 1];

export function conv(reader: LayerReader): Value {
  const kernel = reader.tensor('kernel');
  const bias = reader.boolean('use_bias', true);
  const fields = {
    maps: reader.number('filters', 0),
    kernel: reader.pair('kernel_size', undefined),
    groups: reader.number('groups', 1),
    bias,
    ...strideOf(reader),
  };
  const weights = {
    weight: kernel && transposed(kernel, KERNEL_ORDER),
    bias: bias ? reader.tensor('bias') : undefined,
  };
  return reader.activated(reader.builder.add(reader.layer, 'conv', fields, [stackOf(reader)], weights));
}

export function depthwiseConv(reader: LayerReader): Value {
  const bias = reader.boolean('use_bias', true);
  return reader.activated(depthwise(reader, reader.layer.name, bias));
}

export function separableConv(reader: LayerReader): Value {
  const bias = reader.boolean('use_bias', true);
  const between = depthwise(reader, `${reader.layer.name}_depthwise`, false);
  const kernel = reader.tensor('pointwise_kernel');
  const fields = { maps: reader.number('filters', 0), kernel: 1, bias };
  const weights = {
    weight: kernel && transposed(kernel, KERNEL_ORDER),
    bias: bias ? reader.tensor('bias') : undefined,
  };
  return reader.activated(reader.builder.add(reader.layer, 'conv', fields, [between], weights));
}

/** Each input map has kernels of its own, whose outputs lie one behind the other. */
function depthwise(reader: LayerReader, name: string, bias: boolean): Value {
  const x = stackOf(reader);
  const { maps } = x.shape;
  const size = reader.pair('kernel_size', undefined);
  const multiplier = reader.number('depth_multiplier', 1);
  const kernel = reader.tensor('depthwise_kernel') ?? reader.tensor('kernel');
  const weight = kernel && reshaped(transposed(kernel, [2, 3, 0, 1]), [maps * multiplier, 1, ...size]);
  const fields = { maps: maps * multiplier, kernel: size, groups: maps, bias, ...strideOf(reader) };
  const weights = { weight, bias: bias ? reader.tensor('bias') : undefined };
  return reader.builder.add(reader.layer, 'conv', fields, [x], weights, name);
}

export function pool(kind: 'max-pool' | 'average-pool') {
  return (reader: LayerReader): Value => {
    const size = reader.pair('pool_size', [2, 2]);
    const fields = { size, stride: reader.pair('strides', size), padding: reader.expect('padding', ['valid', 'same']) };
    return reader.builder.add(reader.layer, kind, fields, [stackOf(reader)]);
  };
}

export function globalAveragePool(reader: LayerReader): Value {
  const isFlat = !reader.boolean('keepdims', false);
  return { ...reader.builder.add(reader.layer, 'global-average-pool', {}, [stackOf(reader)]), isFlat };
}

export function globalMaxPool(reader: LayerReader): Value {
  const x = stackOf(reader);
  const isFlat = !reader.boolean('keepdims', false);
  return { ...reader.builder.add(reader.layer, 'max-pool', { size: [x.shape.height, x.shape.width] }, [x]), isFlat };
}

export function zeroPadding(reader: LayerReader): Value {
  const padding = reader.layer.config.padding ?? 1;
  const [rows, columns] = Array.isArray(padding) && padding.length === 2 ? padding : [padding, padding];
  const [top, bottom] = Array.isArray(rows) ? rows : [rows, rows];
  const [left, right] = Array.isArray(columns) ? columns : [columns, columns];
  return reader.builder.add(reader.layer, 'zero-pad', { padding: [top, left, bottom, right] }, [stackOf(reader)]);
}

function strideOf(reader: LayerReader) {
  reader.expect('dilation_rate', [[1, 1], 1]);
  return { stride: reader.pair('strides', 1), padding: reader.expect('padding', ['valid', 'same']) };
}

function stackOf(reader: LayerReader): Value {
  if (!reader.x.isFlat) return reader.x;
  throw reader.fail('it takes maps, but its input is a vector.');
}
