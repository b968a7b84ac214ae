import { createHash } from 'node:crypto';
import { chooseKernel } from '../../shared/engine/kernel-choice.ts';
import { planProgram } from '../../shared/engine/program/planner.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import { compileKernel, instantiateKernel } from '../../shared/engine/wasm/exports.ts';
import { ONE_THREAD_BYTES, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { shapeSize } from '../../shared/model/shape.ts';
import { MemoryError } from '../../shared/util/errors.ts';
import { type Check, memoryProblem, reasonOf } from './check.ts';

/** SHA-256 of the gradient below. It changes with the numerics, as the hashes of the golden test do: copy it from the test. */
const GRADIENT_SHA256 = '0f96b70706280a92abe1d38b49605a74e0e481fd7e99f45ece685f6dba24b460';
const SAMPLES = 8;

/** Instantiates the kernel and computes one shard's gradient, whose bits are the same on every machine that works. */
export function checkKernel(expected = GRADIENT_SHA256): Check {
  const name = 'kernel';
  let sha256: string;
  try {
    sha256 = gradientSha256();
  } catch (error) {
    if (error instanceof MemoryError) return memoryProblem(name, error);
    return {
      name,
      status: 'problem',
      found: `doesn't run: ${reasonOf(error)}`,
      advice:
        'It needs WebAssembly with SIMD and threads: Node 20.10 or later and, on x86-64, a CPU with SSE4.1. ' +
        'From a checkout, run `npm run build` again.',
    };
  }
  if (sha256 === expected) {
    const { target, problem } = chooseKernel('auto');
    const native = target === 'wasm' ? '' : `, and native code (${target}) has the same`;
    const found = `WebAssembly SIMD and threads work; a test gradient has the right bits${native}`;
    if (problem === undefined) return { name, status: 'ok', found };
    return { name, status: 'note', found, advice: problem };
  }
  return {
    name,
    status: 'problem',
    found: `a test gradient has other bits: expected ${expected}, got ${sha256}`,
    advice:
      "Don't trust what is trained here. From a checkout, run `npm run build` again; if it stays, " +
      'check the memory and the CPU, try another Node, and report it.',
  };
}

function gradientSha256(): string {
  const memory = new SharedMemory(ONE_THREAD_BYTES);
  const layout = modelOf({ head: 'softmax', rbfJ: 0 });
  const plan = planProgram(layout, { shardSize: SAMPLES }, memory);
  const kernel = instantiateKernel(compileKernel(), memory.memory);
  const weights = memory.parameters(layout.parameters);
  weights.set(initialWeights(layout, 1, kernel.squareRoot));
  const gradient = memory.parameters(layout.parameters);
  const samples = {
    inputs: memory.hold(Uint8Array.from({ length: SAMPLES * shapeSize(layout.input) }, (_, i) => (i * i) % 251)),
    targets: memory.hold(Uint16Array.from({ length: SAMPLES }, (_, i) => i)),
    first: 0,
    indices: Int32Array.from({ length: SAMPLES }, (_, i) => i),
    shifts: new Int8Array(2 * SAMPLES),
  };
  const backend = new KernelBackend(kernel, plan, memory.memory);
  backend.setWeights(weights);
  backend.gradient(samples, 1, gradient);
  return createHash('sha256').update(gradient).digest('hex');
}
