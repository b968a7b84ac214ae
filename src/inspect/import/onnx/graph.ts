import type { ModelError } from '../../../shared/util/errors.ts';
import type { Decoded } from '../../../shared/util/protobuf-decoder.ts';
import { ModelBuilder, type Origin, type Value } from '../builder.ts';
import { quoted } from '../names.ts';
import { type ExternalFiles, integersTensor, type OnnxTensor } from './tensors.ts';

/** A node with what it reads. Its kind is the operator. */
export interface OnnxNode extends Origin {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Decoded>;
}

/** A group norm of several nodes (group-norm.ts) that have been read up to here. */
export interface StartedNorm {
  readonly x: Value;
  readonly groups: number;
  readonly epsilon?: number;
  /** Its maps are those of `x` again. */
  readonly isRestored?: boolean;
  readonly weight?: OnnxTensor;
}

/** What is known of the values of a graph, by their names. */
export class OnnxGraph {
  readonly builder: ModelBuilder;
  readonly source: string;
  readonly files: ExternalFiles;
  /** Layers of products whose output one node reads: it may add their bias. */
  readonly biasable = new Set<string>();
  /** Group norms that end behind later nodes, by the names of what they have come to. */
  readonly norms = new Map<string, StartedNorm>();
  readonly #values = new Map<string, Value>();
  readonly #constants: Map<string, OnnxTensor>;
  readonly #readers: ReadonlyMap<string, number>;
  readonly input: Value;

  /**
   * @param sides [maps, rows, columns] or [units] of a sample
   * @param readers how many nodes and outputs read each value
   */
  constructor(
    source: string,
    sides: readonly number[],
    constants: Map<string, OnnxTensor>,
    files: ExternalFiles,
    readers: ReadonlyMap<string, number>,
  ) {
    const [maps = 1, height = 1, width = 1] = sides;
    this.builder = new ModelBuilder(source, { maps, height, width });
    this.input = { ...this.builder.input, isFlat: sides.length === 1 };
    this.source = source;
    this.files = files;
    this.#constants = constants;
    this.#readers = readers;
  }

  fail(node: OnnxNode, problem: string): ModelError {
    return this.builder.fail(node, problem);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  setConstant(name: string, tensor: OnnxTensor): void {
    this.#constants.set(name, tensor);
  }

  setIntegers(name: string, values: readonly number[], shape: readonly number[] = [values.length]): void {
    this.setConstant(name, integersTensor(values, shape, this.source));
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Whether nothing but one node reads a value. */
  isReadOnce(name: string): boolean {
    return this.#readers.get(name) === 1;
  }

  /** An input that samples flow through. @throws ModelError if there is none */
  value(node: OnnxNode, place = 0): Value {
    const name = node.inputs[place] ?? '';
    const value = this.#values.get(name);
    if (value !== undefined) return value;
    const isStarted = this.norms.has(name) ? 'is a part of a group norm' : 'is made by no node before it';
    const problem = this.#constants.has(name) ? 'is a constant' : isStarted;
    throw this.fail(node, `its input ${quoted(name)} ${problem}.`);
  }

  /** A constant input; undefined if the node has none at that place. @throws ModelError if it is no constant */
  constant(node: OnnxNode, place: number): OnnxTensor | undefined {
    const name = node.inputs[place] ?? '';
    if (name === '') return undefined;
    const constant = this.#constants.get(name);
    // Equal tensors are one in the file, behind nodes that name the others.
    if (constant !== undefined)
      return { ...constant, name: MODULE.test(name) || constant.name === '' ? name : constant.name };
    throw this.fail(node, `its input ${quoted(name)} isn't a constant of the file.`);
  }

  /** Whether all that a node reads is known from the file alone. */
  isFixed({ inputs }: OnnxNode): boolean {
    return inputs.every((name) => name === '' || this.#constants.has(name));
  }

  isConstant(node: OnnxNode, place: number): boolean {
    return this.#constants.has(node.inputs[place] ?? '');
  }

  /** A constant input that there must be. */
  tensor(node: OnnxNode, place: number): OnnxTensor {
    const constant = this.constant(node, place);
    if (constant !== undefined) return constant;
    throw this.fail(node, `it has no input ${place + 1}.`);
  }

  integer(node: OnnxNode, name: string, otherwise: number): number {
    return (node.attributes.get(name)?.i as number | undefined) ?? otherwise;
  }

  float(node: OnnxNode, name: string, otherwise: number): number {
    // Without the noise of the digits that a float32 lacks.
    return shortest((node.attributes.get(name)?.f as number | undefined) ?? otherwise);
  }

  integers(node: OnnxNode, name: string): readonly number[] | undefined {
    return node.attributes.get(name)?.ints as readonly number[] | undefined;
  }

  text(node: OnnxNode, name: string, otherwise: string): string {
    const bytes = node.attributes.get(name)?.s as Uint8Array | undefined;
    return bytes === undefined ? otherwise : Buffer.from(bytes).toString('latin1');
  }

  /** Refuses whatever else than `expected` an attribute says. */
  expect(node: OnnxNode, name: string, expected: number): void {
    const actual = this.integer(node, name, expected);
    if (actual !== expected) throw this.fail(node, `its ${name} is ${actual}; ${expected} is read.`);
  }
}

/** The number of fewest digits that is the same float32. */
export function shortest(value: number): number {
  const single = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return value;
}

/** The name of a module's weights; the module is the first part. */
const MODULE = /^(.+)[./](?:weight|kernel|gamma|bias)$/;

/** A layer's name: that of its weights' module, or the node's. */
export function layerName(node: OnnxNode, weights?: OnnxTensor): string {
  const [, module] = MODULE.exec(weights?.name ?? '') ?? [];
  if (module !== undefined) return module;
  // PyTorch: /layer1/layer1.0/conv1/Conv, or node_conv2d.
  const path = node.name.split('/').filter((part) => part !== '');
  const nested = path.filter((part, i) => !path[i + 1]?.startsWith(`${part}.`));
  return [...nested.slice(0, -1), nested.at(-1)?.toLowerCase() ?? ''].join('.').replace(/^node_/, '');
}
