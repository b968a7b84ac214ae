// Checks that native TensorFlow works here: loads it, computes one gradient and compares it with the kernel's. A program of
// its own, since a broken addon ends the process that loads it. Prints one line; the exit code is 1 if it doesn't work.

import { initialWeights } from '../../model/initialize.ts';
import { modelOf } from '../../model/registry.ts';
import { shapeSize } from '../../model/shape.ts';
import type { Backend } from '../backend.ts';
import { planProgram } from '../program/planner.ts';
import { KernelBackend } from '../wasm/backend.ts';
import { compileKernel, instantiateKernel } from '../wasm/exports.ts';
import { ONE_THREAD_BYTES, SharedMemory } from '../wasm/memory.ts';
import { TfjsBackend } from './backend.ts';
import { loadTfjs } from './load.ts';

const SAMPLES = 8;
const TOLERANCE = 1e-5;

function selfTest(): string {
  const tf = loadTfjs();
  const layout = modelOf({ head: 'softmax', rbfJ: 0 });
  const memory = new SharedMemory(ONE_THREAD_BYTES);
  const plan = planProgram(layout, { shardSize: SAMPLES }, memory);
  const kernel = instantiateKernel(compileKernel(), memory.memory);
  const weights = memory.parameters(layout.parameters);
  weights.set(initialWeights(layout, 1, kernel.squareRoot));
  const samples = {
    inputs: memory.hold(Uint8Array.from({ length: SAMPLES * shapeSize(layout.input) }, (_, i) => (i * i) % 251)),
    targets: memory.hold(Uint16Array.from({ length: SAMPLES }, (_, i) => i)),
    first: 0,
    indices: Int32Array.from({ length: SAMPLES }, (_, i) => i),
    shifts: new Int8Array(2 * SAMPLES),
  };
  const gradientOf = (backend: Backend): Float32Array => {
    const gradient = memory.parameters(layout.parameters);
    backend.setWeights(weights);
    backend.gradient(samples, 1, gradient);
    return gradient;
  };
  const expected = gradientOf(new KernelBackend(kernel, plan, memory.memory));
  const error = difference(gradientOf(new TfjsBackend(tf, layout)), expected);
  if (!(error <= TOLERANCE)) throw new Error(`A gradient is off by ${error} of its largest element.`);
  return `native TensorFlow works: backend ${tf.getBackend()}, tfjs-node ${tf.version['tfjs-node']}, and a gradient is the kernel's to ${error.toExponential(0)}`;
}

function difference(actual: Float32Array, expected: Float32Array): number {
  let largest = 0;
  let error = 0;
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs((actual[i] as number) - value));
  }
  return error / largest;
}

try {
  process.stdout.write(`${selfTest()}\n`);
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
