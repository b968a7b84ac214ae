import { chooseKernel } from '../../shared/engine/kernel-choice.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { planProgram } from '../../shared/engine/program/planner.ts';
import { compileKernel } from '../../shared/engine/wasm/exports.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { flopsPerSample } from '../../shared/model/flops.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { type MeasureTask, measure } from '../../worker/pool/measure.ts';
import { benchImages } from './images.ts';
import { median } from './median.ts';
import { ACCUMULATORS, Peak } from './peak.ts';

const SHARD_SIZES = [1, 4, 8, 16, 32, 64, 128];
const SECONDS = 0.25;
const LENET5 = modelOf({ head: 'softmax', rbfJ: 0 });

export interface KernelFigures {
  /** Multiply-and-add in 128-bit registers: the best of the loops, in GFLOP/s. */
  readonly peak: number;
  readonly peaks: Readonly<Record<string, number>>;
  /** Megaflops of one sample, forward and backward. */
  readonly megaflops: number;
  readonly shards: readonly ShardFigures[];
}

export interface ShardFigures {
  readonly shardSize: number;
  readonly samplesPerSecond: number;
  readonly gigaflops: number;
  /** Share of the peak, 0..1. */
  readonly ofPeak: number;
}

/** One worker's kernel at several shard sizes beside the machine's peak, in interleaved rounds; medians. */
export function benchKernel(target: KernelTarget, rounds: number): KernelFigures {
  const flops = flopsPerSample(LENET5);
  const tasks = SHARD_SIZES.map((shardSize) => kernelTask(shardSize, SECONDS, { target }));
  const peak = new Peak();
  const peaks = ACCUMULATORS.map(() => [] as number[]);
  const speeds = SHARD_SIZES.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    for (const [i, accumulators] of ACCUMULATORS.entries()) peaks[i]?.push(peak.measure(accumulators, SECONDS / 2));
    for (const [i, task] of tasks.entries()) {
      speeds[i]?.push(measure({ ...task, barrier: new Int32Array(new SharedArrayBuffer(4)).fill(1) }));
    }
  }
  const best = Math.max(...peaks.map(median));
  return {
    peak: best,
    peaks: Object.fromEntries(ACCUMULATORS.map((accumulators, i) => [accumulators, median(peaks[i] ?? [])])),
    megaflops: flops / 1e6,
    shards: SHARD_SIZES.map((shardSize, i) => {
      const samplesPerSecond = median(speeds[i] ?? []);
      const gigaflops = (samplesPerSecond * flops) / 1e9;
      return { shardSize, samplesPerSecond, gigaflops, ofPeak: gigaflops / best };
    }),
  };
}

export interface KernelTaskOptions {
  /** The code that computes (default: the fastest that works here). */
  readonly target?: KernelTarget;
  readonly memory?: SharedMemory;
  /** Default: LeNet-5. */
  readonly layout?: ModelLayout;
}

/** A kernel at initial weights, on made-up images. */
export function kernelTask(
  shardSize: number,
  seconds: number,
  { target = chooseKernel('auto').target, memory = new SharedMemory(), layout = LENET5 }: KernelTaskOptions = {},
): Omit<MeasureTask, 'barrier'> {
  const plan = planProgram(layout, { shardSize }, memory);
  const weights = memory.parameters(layout.parameters);
  weights.set(initialWeights(layout, 1, Math.sqrt));
  const gradient = memory.parameters(layout.parameters);
  const count = shardSize * plan.shardsAtOnce;
  const set = benchImages(layout, count);
  const samples = {
    inputs: memory.hold(set.inputs),
    targets: memory.hold(set.targets),
    first: 0,
    indices: Int32Array.from({ length: count }, (_, i) => i),
    shifts: new Int8Array(2 * count),
  };
  return { memory: memory.memory, kernel: compileKernel(target), plan, weights, gradient, samples, seconds };
}
