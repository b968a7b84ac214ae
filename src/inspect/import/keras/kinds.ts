import { LAYERS } from '../../../shared/model/kinds.ts';
import type { Value } from '../builder.ts';
import * as layers from './layers.ts';
import type { LayerReader } from './reader.ts';
import * as windows from './windows.ts';

/** Adds a layer of Keras. @returns its output */
export type KerasKind = (reader: LayerReader) => Value;

/** The classes of layers that are known. */
export const KERAS_KINDS: ReadonlyMap<string, KerasKind> = new Map<string, KerasKind>([
  ['Conv2D', windows.conv],
  ['DepthwiseConv2D', windows.depthwiseConv],
  ['SeparableConv2D', windows.separableConv],
  ['Dense', layers.dense],
  ['MaxPooling2D', windows.pool('max-pool')],
  ['AveragePooling2D', windows.pool('average-pool')],
  ['GlobalAveragePooling2D', windows.globalAveragePool],
  ['GlobalMaxPooling2D', windows.globalMaxPool],
  ['ZeroPadding2D', windows.zeroPadding],
  ['Flatten', layers.flatten],
  ['Reshape', layers.reshape],
  ['Activation', (reader) => reader.activated(reader.x)],
  ['ReLU', layers.relu],
  ['Softmax', layers.softmax],
  ['BatchNormalization', layers.batchNorm],
  ['GroupNormalization', layers.groupNorm],
  ['LayerNormalization', layers.layerNorm],
  ['Dropout', layers.dropout],
  ['Rescaling', layers.rescaling],
  ['Add', layers.sum],
  ['Concatenate', layers.concatenate],
  ...LAYERS.flatMap(({ kind, imports }) =>
    Object.entries(imports?.keras ?? {}).map(([name, read]) => [name, layers.plain(kind, read)] as const),
  ),
]);
