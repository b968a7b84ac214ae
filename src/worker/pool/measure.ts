import type { SampleBatch } from '../../shared/engine/backend.ts';
import type { Program } from '../../shared/engine/program/program.ts';
import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import { TreeGradient, type TreeGradientOptions } from '../../shared/engine/tree-gradient.ts';
import { BlockUpdater, type UpdatePlan, type UpdateRecordPlan } from '../../shared/engine/update.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import { type CompiledKernel, instantiateKernel, type KernelExports } from '../../shared/engine/wasm/exports.ts';

/** A kernel to be timed by itself, without sampler, pool or update; views lie in its memory. */
export interface MeasureTask {
  readonly memory: WebAssembly.Memory;
  readonly kernel: CompiledKernel;
  readonly plan: Program;
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  /** As many shards as the backend takes at once. */
  readonly samples: SampleBatch;
  /** What a call does in place of the gradient of `samples`. */
  readonly part?: StepPart;
  readonly seconds: number;
  /** Counts down as threads get ready, so that they measure side by side. */
  readonly barrier: Int32Array;
  /** Where the threads wait for each other, by polling, after every call; without it, none waits for another. */
  readonly meet?: Meeting;
}

/** One worker's part of a training step: it samples, computes and adds up its ranges, and updates its slice. */
export interface StepPart extends Pick<TreeGradientOptions, 'train' | 'shardSize' | 'levels'> {
  readonly sampler: SamplerOptions;
  readonly ranges: UpdatePlan['partials'];
  readonly update: UpdateRecordPlan;
  readonly scratch: readonly Float32Array[];
  readonly blocks: ShardRange;
}

export interface Meeting {
  readonly threads: number;
  /** [arrivals, the call at which the time was up or 0] */
  readonly words: Int32Array;
}

const WARM_UP_SECONDS = 0.2;

/** @returns samples per second */
export function measure(task: MeasureTask): number {
  const { seconds, barrier, meet } = task;
  const { samples, call } = workOf(task);
  const run = (duration: number, meeting?: Meeting): number => {
    const start = performance.now();
    let elapsed = 0;
    let calls = 0;
    for (let late = false; !late; ) {
      call();
      calls++;
      elapsed = (performance.now() - start) / 1000;
      late = meeting === undefined ? elapsed >= duration : isOver(meeting, calls, elapsed >= duration);
    }
    return (calls * samples) / elapsed;
  };
  run(WARM_UP_SECONDS);
  if (Atomics.sub(barrier, 0, 1) === 1) Atomics.notify(barrier, 0);
  for (let left = Atomics.load(barrier, 0); left > 0; left = Atomics.load(barrier, 0)) {
    Atomics.wait(barrier, 0, left, 10_000);
  }
  return run(seconds, meet);
}

/** What is called over and over, and how many samples that takes. */
function workOf({ memory, kernel, plan, weights, gradient, samples, part }: MeasureTask) {
  const exports = instantiateKernel(kernel, memory);
  const backend = new KernelBackend(exports, plan, memory);
  backend.setWeights(weights);
  if (part !== undefined) return stepOf(part, backend, exports);
  const call = (): void => void backend.gradient(samples, backend.shardsAtOnce, gradient);
  return { samples: samples.indices.length, call };
}

function stepOf({ update, scratch, blocks, ranges, ...part }: StepPart, backend: KernelBackend, kernel: KernelExports) {
  const tree = new TreeGradient({ ...part, backend, kernel, sampler: new Sampler(part.sampler) });
  const updater = new BlockUpdater(kernel, update, scratch);
  let t = 0;
  const call = (): void => {
    for (const { range, gradient } of ranges) tree.sum(t, range, gradient);
    updater.apply(blocks);
    t++;
  };
  return { samples: part.shardSize * unitCount(ranges.map(({ range }) => range)), call };
}

/** Waits until all threads have made as many calls; true for all of them once the time is up for one. */
function isOver({ threads, words }: Meeting, calls: number, late: boolean): boolean {
  if (late) Atomics.store(words, 1, calls);
  Atomics.add(words, 0, 1);
  while (Atomics.load(words, 0) < threads * calls);
  const last = Atomics.load(words, 1);
  return last !== 0 && last <= calls;
}
