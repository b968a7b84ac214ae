import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ModelFile } from '#src/inspect/import/model-file.js';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { weightsFor } from '#src/inspect/import/weights.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { headOf } from '#src/shared/model/kinds.js';
import { LANES } from '#src/shared/model/layers/emit.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { decodeSafetensors } from '#src/shared/util/safetensors.js';
import { at } from '../../support/reference/arrays.ts';
import { softmax } from '../../support/reference/heads.ts';
import { referenceForward, type Tensors } from '../../support/reference/reference.ts';
import type { NetworkSpec } from '../../support/reference/spec.ts';

/** Of outputs that are around 1. */
const TOLERANCE = 1e-5;

type End = 'softmax' | 'log-softmax' | 'sigmoid' | 'logits';

/** Inputs [samples][maps][rows][columns] and outputs [samples][outputs] of a model elsewhere. */
export interface Expected {
  readonly inputs: Float32Array;
  readonly outputs: Float32Array;
  /** What the file's model does at its end and the head does here. */
  readonly end: End;
}

export function fixture(name: string): string {
  // Beside this file's source: dist/ has none.
  return new URL(`../../../../tests/inspect/import/fixtures/${name}`, import.meta.url).pathname;
}

/** The tensors `inputs` and `outputs` of a safetensors file. */
export function expectedIn(name: string, end: End): Expected {
  const { tensors } = decodeSafetensors(readFileSync(fixture(name)), name);
  const [inputs, outputs] = [tensors.get('inputs')?.data, tensors.get('outputs')?.data];
  assert.ok(inputs && outputs);
  return { inputs, outputs, end };
}

/**
 * The largest differences of the outputs that the float64 reference and the kernel compute from a file's spec and weights.
 * @param path of the weights
 */
async function largestDifferences(file: ModelFile, path: string, expected: Expected) {
  const { inputs, outputs, end } = expected;
  const classes = outputs.length / samplesOf(file, inputs);
  const spec = parseModel(file.spec, dataShape(file, inputs, classes), path);
  const layout = layoutOf(spec);
  const { weights, taken } = await weightsFor(layout, path);
  assert.deepEqual(
    taken,
    layout.tensors.map(({ name }) => name),
  );
  const differences = [referenceOutputs, kernelOutputs].map((compute) => {
    const values = compute(layout, weights, inputs).flatMap((z) => [...ended(z, end)]);
    assert.equal(values.length, outputs.length);
    return values.reduce((most, value, i) => Math.max(most, Math.abs(value - at(outputs, i))), 0);
  });
  return { reference: at(differences, 0), kernel: at(differences, 1) };
}

/** Per sample, the last layer's values. */
function referenceOutputs(layout: ModelLayout, weights: Float32Array, inputs: Float32Array): Float64Array[] {
  const tensors: Tensors = new Map(
    layout.tensors.map(({ name, offset, size }) => [name, Float64Array.from(weights.subarray(offset, offset + size))]),
  );
  const size = shapeSize(layout.input);
  const samples = Array.from({ length: inputs.length / size }, (_, n) =>
    Float64Array.from(inputs.subarray(n * size, (n + 1) * size)),
  );
  const batch = { inputs: samples, targets: samples.map(() => new Float64Array(layout.classes)) };
  const rest = { shardSize: samples.length, training: false, seed: 1, first: 0 };
  const network = {
    ...layout.spec,
    layers: layout.spec.layers.map((layer) => ('size' in layer ? { stride: layer.size, ...layer } : layer)),
  };
  return referenceForward(network as unknown as NetworkSpec, tensors, { ...batch, ...rest }).outputs.map((z) =>
    Float64Array.from(z),
  );
}

/** The same of at most a block of samples. */
function kernelOutputs(layout: ModelLayout, weights: Float32Array, inputs: Float32Array): Float64Array[] {
  const memory = new SharedMemory();
  const count = inputs.length / shapeSize(layout.input);
  assert.ok(count <= LANES);
  const placed = memory.bytes(inputs.byteLength);
  const samples = new Float32Array(placed.buffer, placed.byteOffset, inputs.length);
  samples.set(inputs);
  const room = memory.bytes(4 * count * layout.classes);
  const isClass = headOf(layout.spec.head).targetKind === 'class';
  const targets = isClass
    ? new Uint16Array(room.buffer, room.byteOffset, count)
    : new Float32Array(room.buffer, room.byteOffset, count * layout.classes);
  const parameters = memory.parameters(layout.parameters);
  parameters.set(weights);
  const program = planProgram(layout, { shardSize: LANES, seed: 1, inputs: 'float32' }, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), program, memory.memory);
  backend.setWeights(parameters);
  const indices = Int32Array.from({ length: count }, (_, n) => n);
  const batch = { inputs: samples, targets, first: 0, indices, shifts: new Int8Array(2 * count) };
  backend.evaluate(batch, new Uint16Array(count));
  const values = new Float32Array(memory.memory.buffer, program.output.at, LANES * layout.classes);
  return Array.from({ length: count }, (_, n) =>
    Float64Array.from({ length: layout.classes }, (_, unit) => at(values, LANES * unit + n)),
  );
}

function ended(z: Float64Array, end: End): Float64Array {
  if (end === 'softmax') return softmax(z);
  if (end === 'log-softmax') return softmax(z).map(Math.log);
  return end === 'sigmoid' ? z.map((a) => 1 / (1 + Math.exp(-a))) : z;
}

/** A model of vectors takes them as they are here. */
function dataShape(file: ModelFile, inputs: Float32Array, classes: number) {
  return { maps: inputs.length / samplesOf(file, inputs), height: 1, width: 1, classes };
}

/** Of every fixture. */
const SAMPLES = 3;

function samplesOf({ spec }: ModelFile, inputs: Float32Array): number {
  const { input } = spec as { input?: { maps: number; height: number; width: number } };
  return input === undefined ? SAMPLES : inputs.length / (input.maps * input.height * input.width);
}

/** That a file's spec and weights give the same outputs in the reference and in the kernel. */
export async function assertSameOutputs(path: string, weights: string, expected: Expected): Promise<ModelFile> {
  const file = await readModelFile(path);
  const { reference, kernel } = await largestDifferences(file, weights, expected);
  assert.ok(reference <= TOLERANCE && kernel <= TOLERANCE, `reference ${reference}, kernel ${kernel}`);
  return file;
}
