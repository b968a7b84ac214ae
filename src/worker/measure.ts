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
  /** Where the threads wait for each other, by polling, after every call; without it, none waits for another. */
  readonly meet?: Meeting;
}

export interface Meeting {
  readonly threads: number;
  /** [arrivals, the call at which the time was up or 0] */
  readonly words: Int32Array;
}

const WARM_UP_SECONDS = 0.2;

/** @returns samples per second */
export function measure(task: MeasureTask): number {
  const { memory, kernel, plan, weights, gradient, samples, seconds, barrier, meet } = task;
  const backend = new KernelBackend(instantiateKernel(kernel, memory), plan, memory);
  backend.setWeights(weights);
  const run = (duration: number, meeting?: Meeting): number => {
    const start = performance.now();
    let elapsed = 0;
    let calls = 0;
    for (let late = false; !late; ) {
      backend.gradient(samples, backend.shardsAtOnce, gradient);
      calls++;
      elapsed = (performance.now() - start) / 1000;
      late = meeting === undefined ? elapsed >= duration : isOver(meeting, calls, elapsed >= duration);
    }
    return (calls * samples.indices.length) / elapsed;
  };
  run(WARM_UP_SECONDS);
  if (Atomics.sub(barrier, 0, 1) === 1) Atomics.notify(barrier, 0);
  for (let left = Atomics.load(barrier, 0); left > 0; left = Atomics.load(barrier, 0)) {
    Atomics.wait(barrier, 0, left, 10_000);
  }
  return run(seconds, meet);
}

/** Waits until all threads have made as many calls; true for all of them once the time is up for one. */
function isOver({ threads, words }: Meeting, calls: number, late: boolean): boolean {
  if (late) Atomics.store(words, 1, calls);
  Atomics.add(words, 0, 1);
  while (Atomics.load(words, 0) < threads * calls);
  const last = Atomics.load(words, 1);
  return last !== 0 && last <= calls;
}
