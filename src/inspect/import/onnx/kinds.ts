import { LAYERS } from '../../../shared/model/kinds.ts';
import type { Value } from '../builder.ts';
import { concat, dropout, plain, softmax } from './elementwise.ts';
import type { OnnxGraph, OnnxNode, StartedNorm } from './graph.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from './norms.ts';
import { flatten, identity, reshape, shapeNode, squeeze } from './shapes.ts';
import { add, divide, gemm, matMul, multiply, subtract } from './sums.ts';
import { averagePool, conv, globalAveragePool, maxPool, pad, reduceMean } from './windows.ts';

/** Reads a node: adds its layers. @returns its first output, or the beginning of one; undefined if that is a constant, which it sets */
export type OnnxKind = (graph: OnnxGraph, node: OnnxNode) => Value | StartedNorm | undefined;

/** The operators that are known on what depends on samples; those of constants are in constants.ts. */
export const ONNX_KINDS: ReadonlyMap<string, OnnxKind> = new Map<string, OnnxKind>([
  ['Conv', conv],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['MaxPool', maxPool],
  ['AveragePool', averagePool],
  ['GlobalAveragePool', globalAveragePool],
  ['ReduceMean', reduceMean],
  ['Flatten', flatten],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['BatchNormalization', batchNorm],
  ['GroupNormalization', groupNorm],
  ['InstanceNormalization', instanceNorm],
  ['LayerNormalization', layerNorm],
  ['Add', add],
  ['Sub', subtract],
  ['Mul', multiply],
  ['Div', divide],
  ['Concat', concat],
  ['Pad', pad],
  ['Dropout', dropout],
  ['Softmax', softmax],
  ['LogSoftmax', softmax],
  ['Identity', identity],
  ['Shape', shapeNode],
  ['Cast', identity],
  ...LAYERS.flatMap(({ kind, imports }) =>
    Object.entries(imports?.onnx ?? {}).map(([operator, read]) => [operator, plain(kind, read)] as const),
  ),
]);
