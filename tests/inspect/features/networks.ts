import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeOnnx } from '#src/inspect/export/onnx.js';
import { ModelProto } from '#src/inspect/export/onnx-schema.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import type { Shape } from '#src/shared/model/shape.js';

type Json = Readonly<Record<string, unknown>>;

export interface Graph {
  readonly nodes: readonly Json[];
  /** A dimension that is a text is free. */
  readonly input?: readonly (number | string)[];
  readonly elemType?: number;
  readonly initializers?: readonly Json[];
  readonly inputs?: readonly Json[];
  readonly outputs?: readonly string[];
}

export function node(opType: string, input: readonly string[], output: string): Json {
  return { opType, input, output: [output] };
}

export function valueInfo(name: string, sides: readonly (number | string)[], elemType = 1): Json {
  const dim = sides.map((side) => (typeof side === 'number' ? { dimValue: side } : { dimParam: side }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** An ONNX file of some nodes. The input is `x`, the output `y`. @returns its path */
export function graphFile(folder: string, { nodes, input = ['N', 3, 2, 2], elemType, ...more }: Graph): string {
  const { initializers = [], inputs = [valueInfo('x', input, elemType)], outputs = ['y'] } = more;
  const output = outputs.map((name) => ({ name }));
  const graph = { name: 'test', node: nodes, initializer: initializers, input: inputs, output };
  const message = { irVersion: 8, opsetImport: [{ domain: '', version: 17 }], graph };
  return written(folder, ModelProto.encode(ModelProto.create(message)).finish());
}

/** A convolution network with the weights that a run starts with, as an ONNX file. @returns its path */
export function networkFile(folder: string, input: Shape): string {
  const layers = [
    { name: 'first', kind: 'conv', maps: 6, kernel: 3, padding: 'same' },
    { name: 'rectified', kind: 'relu' },
    { kind: 'max-pool', size: 2 },
    { name: 'second', kind: 'dense', units: 20 },
    { name: 'features', kind: 'relu' },
    { kind: 'dense' },
  ];
  const layout = layoutOf(parseModel({ name: 'own', layers }, { ...input, classes: 3 }, 'test'));
  const weights = initialWeights(layout, 1, Math.sqrt);
  return written(folder, encodeOnnx({ layout, weights, version: '0', metadata: {} }));
}

let files = 0;
export function written(folder: string, bytes: Uint8Array): string {
  const path = join(folder, `net-${files++}.onnx`);
  writeFileSync(path, bytes);
  return path;
}
