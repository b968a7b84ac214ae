import type { ReadFields } from '../../../shared/model/layers/layer.ts';
import { isVector, shapeSize } from '../../../shared/model/shape.ts';
import { type LazyTensor, reshaped, sizeOf, transposed } from '../arrays.ts';
import { orderOf, type Value } from '../builder.ts';
import { quoted } from '../names.ts';
import type { LayerReader } from './reader.ts';

/** Stacks in one vector. */
const MAX_PARTS = 1000;

export function dense(reader: LayerReader): Value {
  const { x } = reader;
  if (!x.isFlat)
    throw reader.fail('it takes rows of maps; only dense layers of vectors are known. Flatten in front of it.');
  const kernel = reader.tensor('kernel');
  const bias = reader.boolean('use_bias', true);
  const weight = reader.ordered(kernel && transposed(kernel, [1, 0]));
  const weights = { weight, bias: bias ? reader.tensor('bias') : undefined };
  const value = reader.builder.add(reader.layer, 'dense', { units: reader.number('units', 0), bias }, [x], weights);
  return reader.activated({ ...value, isFlat: true });
}

export function relu(reader: LayerReader): Value {
  reader.expect('max_value', [null]);
  reader.expect('threshold', [0]);
  const slope = reader.number('negative_slope', 0);
  return slope === 0 ? reader.keep('relu', {}) : reader.keep('leaky-relu', { slope });
}

/** A layer with fields from numbers of its config alone. */
export function plain(kind: string, read: ReadFields) {
  return (reader: LayerReader): Value =>
    reader.keep(
      kind,
      read((name, otherwise) => reader.number(name, otherwise)),
    );
}

export function softmax(reader: LayerReader): Value {
  reader.expectLastAxis();
  if (!reader.x.isFlat) throw reader.fail('only a softmax over a vector is known.');
  return { ...reader.x, isSoftmax: true };
}

export function dropout(reader: LayerReader): Value {
  reader.expect('noise_shape', [null]);
  return reader.keep('dropout', { rate: reader.number('rate', 0.5) });
}

export function rescaling(reader: LayerReader): Value {
  const { isFlat = false, channelsLast } = reader.x;
  const [scale, offset] = [reader.number('scale', 1), reader.number('offset', 0)];
  return { ...reader.builder.rescale(reader.layer, reader.x, scale, offset), isFlat, channelsLast };
}

export function flatten({ builder, x }: LayerReader): Value {
  return x.isFlat ? x : builder.flat(x, [x.shape]);
}

export function reshape(reader: LayerReader): Value {
  const { x, builder, layer } = reader;
  const target = [layer.config.target_shape].flat() as readonly unknown[];
  const { maps, height, width } = x.shape;
  if (target.length === 1) return x.isFlat ? x : builder.flat(x, [x.shape]);
  if (!x.isFlat && JSON.stringify(target) === JSON.stringify([height, width, maps])) return x;
  throw reader.fail(`it makes ${quoted(target)} of its input; only vectors can be made of it.`);
}

export function sum(reader: LayerReader): Value {
  const { inputs, builder, layer } = reader;
  const [first] = inputs;
  const order = JSON.stringify(first?.channelsLast);
  if (inputs.some((value) => JSON.stringify(value.channelsLast) !== order))
    throw reader.fail('it adds vectors whose values are in different orders.');
  const { isFlat = false, channelsLast } = first ?? {};
  return { ...builder.add(layer, 'add', {}, inputs), isFlat, channelsLast };
}

export function concatenate(reader: LayerReader): Value {
  const { inputs, builder, layer } = reader;
  const isFlat = inputs.every((value) => value.isFlat === true);
  reader.expect('axis', isFlat ? [-1, 1] : [-1, 3]);
  const joined = builder.add(layer, 'concat', {}, inputs);
  if (!isFlat) return joined;
  const parts = inputs.flatMap(orderOf);
  if (parts.length > MAX_PARTS) throw reader.fail(`it joins more than ${MAX_PARTS} vectors.`);
  return builder.flat(joined, parts);
}

export function batchNorm(reader: LayerReader): Value {
  reader.expectLastAxis();
  const fields = {
    epsilon: reader.number('epsilon', 1e-3),
    // Keras: the share of the old statistics.
    momentum: Number((1 - reader.number('momentum', 0.99)).toPrecision(7)),
  };
  const [running_mean, running_var] = ['moving_mean', 'moving_variance'].map((part) =>
    reader.ordered(reader.tensor(part)),
  );
  return reader.keep('batch-norm', fields, { ...affine(reader), running_mean, running_var });
}

export function groupNorm(reader: LayerReader): Value {
  reader.expectLastAxis();
  const groups = reader.number('groups', 32);
  const fields = { groups: groups === -1 ? reader.x.shape.maps : groups, epsilon: reader.number('epsilon', 1e-3) };
  if (reader.x.channelsLast !== undefined) throw reader.fail('a group norm behind Flatten is not known.');
  return reader.keep('group-norm', fields, affine(reader));
}

export function layerNorm(reader: LayerReader): Value {
  const { isFlat, shape } = reader.x;
  const fields = { epsilon: reader.number('epsilon', 1e-3) };
  if (isFlat) {
    reader.expectLastAxis();
    return reader.keep('layer-norm', fields, affine(reader));
  }
  reader.expect('axis', [
    [1, 2, 3],
    [-3, -2, -1],
  ]);
  // [rows][columns][maps] there.
  const shaped = (tensor: LazyTensor | undefined) =>
    tensor && (isVector(shape) ? reshaped(tensor, [shape.maps]) : transposed(tensor, [2, 0, 1]));
  const { weight, bias } = affine(reader);
  return reader.keep('layer-norm', fields, { weight: shaped(weight), bias: shaped(bias) });
}

/** gamma and beta, or what stands for them where a layer has none of them. */
function affine(reader: LayerReader) {
  const { isFlat, shape } = reader.x;
  const { maps, height, width } = shape;
  const hasAxes = reader.layer.kind === 'LayerNormalization' && !isFlat;
  const sides = hasAxes ? [height, width, maps] : [isFlat ? shapeSize(shape) : maps];
  const one = (flag: string, part: string, value: number): LazyTensor | undefined =>
    reader.boolean(flag, true)
      ? reader.ordered(reader.tensor(part))
      : { shape: sides, values: () => new Float32Array(sizeOf(sides)).fill(value) };
  return { weight: one('scale', 'gamma', 1), bias: one('center', 'beta', 0) };
}
