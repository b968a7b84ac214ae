import type { SampleBatch } from '../shared/backends/backend.ts';
import { KernelBackend } from '../shared/backends/kernel.ts';
import { instantiateKernel } from '../shared/kernel/exports.ts';
import type { KernelPlan } from '../shared/kernel/plan.ts';

/** A kernel to be timed by itself, without sampler, pool or update; views lie in its memory. */
export interface MeasureTask {
  readonly memory: WebAssembly.Memory;
  readonly kernel: WebAssembly.Module;
  readonly plan: KernelPlan;
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  /** As many shards as the backend takes at once. */
  readonly samples: SampleBatch;
  readonly seconds: number;
  /** Counts down as threads get ready, so that they measure side by side. */
  readonly barrier: Int32Array;
}

const WARM_UP_SECONDS = 0.2;

/** @returns samples per second */
export function measure(task: MeasureTask): number {
  const { memory, kernel, plan, weights, gradient, samples, seconds, barrier } = task;
  const backend = new KernelBackend(instantiateKernel(kernel, memory), plan, memory);
  backend.setWeights(weights);
  const run = (duration: number): number => {
    const start = performance.now();
    let elapsed = 0;
    let calls = 0;
    while (elapsed < duration) {
      backend.gradient(samples, backend.shardsAtOnce, gradient);
      calls++;
      elapsed = (performance.now() - start) / 1000;
    }
    return (calls * samples.indices.length) / elapsed;
  };
  run(WARM_UP_SECONDS);
  if (Atomics.sub(barrier, 0, 1) === 1) Atomics.notify(barrier, 0);
  for (let left = Atomics.load(barrier, 0); left > 0; left = Atomics.load(barrier, 0)) {
    Atomics.wait(barrier, 0, left, 10_000);
  }
  return run(seconds);
}
