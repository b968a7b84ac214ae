import { basename } from 'node:path';
import { ModelError } from '../../../shared/util/errors.ts';
import { type Decoded, decodeBounded } from '../../../shared/util/protobuf-decoder.ts';
import { ONNX_MESSAGES } from '../../export/onnx-schema.ts';
import { besideOf, readBounded } from '../files.ts';
import { MAX_WEIGHT_BYTES, type ModelFile, type ModelFormat } from '../model-file.ts';
import { quoted } from '../names.ts';
import { ONNX_CONSTANTS } from './constants.ts';
import { OnnxGraph, type OnnxNode } from './graph.ts';
import { continueNorm } from './group-norm.ts';
import { ONNX_KINDS, type OnnxKind } from './kinds.ts';
import { type ExternalFiles, externalFileOf, type OnnxTensor, tensorOf } from './tensors.ts';

const MIN_OPSET = 13;
/** Messages, numbers and texts: a ResNet-152 has 20,000. */
const MAX_VALUES = 300_000;
const MAX_NODES = 10_000;
const MAX_EXTERNAL_FILES = 8;

/** ONNX, opset 13 and later, as PyTorch and others write it (https://onnx.ai/onnx/operators/). */
export const onnx: ModelFormat = {
  text: 'an ONNX model (.onnx)',
  takes: (path) => path.endsWith('.onnx'),
  async read(path) {
    const graph = graphOf(await readBounded(path, MAX_WEIGHT_BYTES), path);
    return readGraph(graph, path, await externalFiles(graph, path));
  },
};

function graphOf(bytes: Uint8Array, source: string): Decoded {
  let model: Decoded;
  try {
    model = decodeBounded(ONNX_MESSAGES, 'ModelProto', bytes, MAX_VALUES);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ModelError(`${source}: it can't be read as an ONNX model (${quoted(error.message)}).`, {
      cause: error,
    });
  }
  const opset = listOf(model.opsetImport).find(({ domain = '' }) => domain === '' || domain === 'ai.onnx');
  const version = Number(opset?.version ?? 0);
  if (version < MIN_OPSET)
    throw new ModelError(
      `${source}: it has the ONNX operators of version ${version}; ${MIN_OPSET} is the first that is read.`,
    );
  return (model.graph as Decoded | undefined) ?? {};
}

async function externalFiles(graph: Decoded, path: string): Promise<ExternalFiles> {
  const names = new Set(
    listOf(graph.initializer)
      .map(externalFileOf)
      .filter((name) => name !== undefined),
  );
  if (names.size > MAX_EXTERNAL_FILES)
    throw new ModelError(`${path}: its weights are in ${names.size} files; ${MAX_EXTERNAL_FILES} are the most.`);
  const files = new Map<string, Buffer>();
  let left = MAX_WEIGHT_BYTES;
  for (const name of names) {
    const bytes = await readBounded(besideOf(path, name), left);
    files.set(name, bytes);
    left -= bytes.length;
  }
  return files;
}

function readGraph(proto: Decoded, source: string, files: ExternalFiles): ModelFile {
  const initializers = listOf(proto.initializer).map((tensor) => [String(tensor.name ?? ''), tensor] as const);
  const constants = new Map<string, OnnxTensor>(
    initializers.map(([name, tensor]) => [name, tensorOf(tensor, source, files)]),
  );
  // Older files list initializers among the inputs.
  const inputs = listOf(proto.input).filter(({ name }) => !constants.has(String(name)));
  const [input, ...otherInputs] = inputs;
  const outputs = listOf(proto.output).map(({ name }) => String(name));
  if (input === undefined || otherInputs.length > 0 || outputs.length === 0)
    throw new ModelError(
      `${source}: it has ${inputs.length} inputs and ${outputs.length} outputs; one input is read, and the first output.`,
    );
  const nodes = nodesOf(proto, source);
  const [first = '', ...otherOutputs] = outputs;
  const graph = new OnnxGraph(source, sidesOf(input, source), constants, files, readersOf(nodes, outputs));
  graph.set(String(input.name), graph.input);
  for (const node of nodes) readNode(graph, node);
  const output = graph.value({ name: source, kind: 'output', inputs: [first], outputs: [], attributes: new Map() });
  if (otherOutputs.length > 0)
    graph.builder.warn(`The file's model has ${outputs.length} outputs; the first, ${quoted(first)}, is taken.`);
  return graph.builder.finish(basename(source, '.onnx'), output);
}

function readNode(graph: OnnxGraph, node: OnnxNode): void {
  const [name] = node.outputs;
  const started = node.inputs.map((input) => graph.norms.get(input)).find((norm) => norm !== undefined);
  const value = started === undefined ? kindOf(graph, node)(graph, node) : continueNorm(graph, node, started);
  if (value === undefined || name === undefined) return;
  if (graph.has(name)) throw graph.fail(node, `a node before it makes ${quoted(name)} too.`);
  if ('groups' in value) graph.norms.set(name, value);
  else graph.set(name, value);
}

function kindOf(graph: OnnxGraph, node: OnnxNode): OnnxKind {
  const read = graph.isFixed(node) ? ONNX_CONSTANTS.get(node.kind) : ONNX_KINDS.get(node.kind);
  if (read !== undefined) return read;
  const known = [...new Set([...ONNX_KINDS.keys(), ...ONNX_CONSTANTS.keys()])].join(', ');
  throw graph.fail(node, `the operator isn't known. The known ones are ${known}.`);
}

function nodesOf(proto: Decoded, source: string): OnnxNode[] {
  const nodes = listOf(proto.node);
  if (nodes.length > MAX_NODES)
    throw new ModelError(`${source}: it has ${nodes.length} nodes; ${MAX_NODES} is the most.`);
  return nodes.map((node, place) => {
    const { domain = '', opType = '' } = node;
    const outputs = (node.output ?? []) as readonly string[];
    return {
      name: String(node.name || outputs[0] || `node ${place + 1}`),
      kind: domain === '' || domain === 'ai.onnx' ? String(opType) : `${domain}.${opType}`,
      inputs: (node.input ?? []) as readonly string[],
      outputs,
      attributes: new Map(listOf(node.attribute).map((attribute) => [String(attribute.name), attribute])),
    };
  });
}

function readersOf(nodes: readonly OnnxNode[], outputs: readonly string[]): ReadonlyMap<string, number> {
  const readers = new Map<string, number>();
  for (const name of [...nodes.flatMap(({ inputs }) => inputs), ...outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  return readers;
}

/** [maps, rows, columns] or [units] of a sample. */
function sidesOf(input: Decoded, source: string): number[] {
  const tensor = (input.type as Decoded | undefined)?.tensorType as Decoded | undefined;
  const [, ...dims] = listOf((tensor?.shape as Decoded | undefined)?.dim);
  const sides = dims.map(({ dimValue }) => Number(dimValue ?? 0));
  if ((sides.length === 3 || sides.length === 1) && sides.every((side) => side >= 1)) return sides;
  const given = ['samples', ...sides.map((side) => side || '?')].join('x');
  throw new ModelError(
    `${source}: its input ${quoted(input.name)} is ${quoted(given)}; expected samples x maps x rows x columns, or samples x units, with fixed sizes.`,
  );
}

function listOf(value: unknown): readonly Decoded[] {
  return (value as readonly Decoded[] | undefined) ?? [];
}
