import type { Stopwatch } from '../../util/stopwatch.ts';
import type { Backend, LossSum, SampleBatch } from '../backend.ts';
import { treeSum } from '../tree.ts';
import type { KernelExports } from './exports.ts';
import { ForwardPass } from './forward.ts';
import { type ConvPlan, type DensePlan, LANES } from './layer-plans.ts';
import type { KernelPlan } from './plan.ts';

/**
 * The fused SIMD kernel as a backend: runs the plan's layers over blocks of LANES samples, then the dense layers' weight
 * gradients over all shards of a call in one pass. Weights, images and gradients must lie in the kernel's shared memory, since views travel as pointers; a gradient is padded to whole registers.
 */
export class KernelBackend implements Backend {
  readonly name = 'kernel';
  readonly sampling: Stopwatch;
  readonly #kernel: KernelExports;
  readonly #plan: KernelPlan;
  readonly #pass: ForwardPass;
  readonly #indices: Int32Array;
  readonly #shifts: Int8Array;
  readonly #labels: Int32Array;
  readonly #predictions: Int32Array;
  #weights = 0;

  constructor(kernel: KernelExports, plan: KernelPlan, memory: WebAssembly.Memory) {
    this.#kernel = kernel;
    this.#plan = plan;
    this.#pass = new ForwardPass(kernel, plan);
    this.sampling = this.#pass.sampling;
    this.#indices = new Int32Array(memory.buffer, plan.input.indices, LANES);
    this.#shifts = new Int8Array(memory.buffer, plan.input.shifts, 2 * LANES);
    this.#labels = new Int32Array(memory.buffer, plan.labels, LANES);
    this.#predictions = new Int32Array(memory.buffer, plan.predictions, LANES);
  }

  setWeights(weights: Float32Array): void {
    this.#weights = weights.byteOffset;
    this.#pass.setWeights(this.#weights);
  }

  get shardsAtOnce(): number {
    return this.#plan.shardsAtOnce;
  }

  gradient(samples: SampleBatch, shards: number, gradient: Float32Array): LossSum {
    const shardSize = samples.indices.length / shards;
    const blocks = Math.ceil(shardSize / LANES);
    const losses = new Float64Array(shards);
    let correct = 0;
    let pending = 0;
    for (let shard = 0; shard < shards; shard++) {
      const convSum = this.#convSum(gradient, pending);
      for (let block = 0; block < blocks; block++) {
        const first = shard * shardSize + block * LANES;
        const count = this.#load(samples, first, Math.min(first + LANES, (shard + 1) * shardSize));
        this.#pass.run(samples.images.byteOffset, count);
        const kept = shard * blocks + block;
        losses[shard] = (losses[shard] as number) + this.#head(count);
        correct += this.#countCorrect(count);
        this.#backward(kept, convSum, block > 0);
      }
      pending = this.#addPending(gradient, pending + 1, shard, shards);
    }
    for (const dense of this.#plan.denses) this.#denseWeightGradient(dense, shards, blocks, gradient.byteOffset);
    return { lossSum: treeSum(losses), correct };
  }

  evaluate(samples: SampleBatch, predictions: Uint8Array): LossSum {
    let lossSum = 0;
    let correct = 0;
    for (let first = 0; first < samples.indices.length; first += LANES) {
      const count = this.#load(samples, first, Math.min(first + LANES, samples.indices.length));
      this.#pass.run(samples.images.byteOffset, count);
      lossSum += this.#head(count);
      correct += this.#countCorrect(count);
      predictions.set(this.#predictions.subarray(0, count), first);
    }
    return { lossSum, correct };
  }

  /** Names a block's samples to the kernel; returns how many they are. Empty lanes match no class. */
  #load({ indices, shifts, labels }: SampleBatch, first: number, end: number): number {
    const count = end - first;
    for (let s = 0; s < count; s++) {
      const index = indices[first + s] as number;
      this.#indices[s] = index;
      this.#shifts[2 * s] = shifts[2 * (first + s)] as number;
      this.#shifts[2 * s + 1] = shifts[2 * (first + s) + 1] as number;
      this.#labels[s] = labels[index] as number;
    }
    this.#labels.fill(-1, count);
    return count;
  }

  /** Computes losses, predictions and the last layer's deltas; returns the loss sum. */
  #head(count: number): number {
    const { head, labels, predictions } = this.#plan;
    if (head.kind === 'softmax') {
      return this.#kernel.softmaxHead(head.logits, labels, count, head.classes, head.delta, predictions);
    }
    const { x, targets, classes, units, j, distances, delta, activation } = head;
    const loss = this.#kernel.rbfHead(x, targets, labels, count, classes, units, j, distances, delta, predictions);
    this.#kernel.activationBackward(delta, x, units, activation, delta);
    return loss;
  }

  #countCorrect(count: number): number {
    let correct = 0;
    for (let s = 0; s < count; s++) if (this.#predictions[s] === this.#labels[s]) correct++;
    return correct;
  }

  /** The vector for the conv gradients of the next shard: the one after the sums that are pending. */
  #convSum(gradient: Float32Array, pending: number): number {
    return pending === 0 ? gradient.byteOffset : (this.#plan.convSums[pending - 1] as number);
  }

  /** Adds the conv gradients' pending sums as the tree has it once `shard` is in; returns how many remain. */
  #addPending(gradient: Float32Array, pending: number, shard: number, shards: number): number {
    let left = pending;
    // The sums of a vertex's two halves are adjacent when the shards so far fill it, and after the last shard.
    for (let rest = shard; left > 1 && (rest % 2 === 1 || shard + 1 === shards); rest = Math.floor(rest / 2)) {
      const target = this.#convSum(gradient, left - 2);
      this.#kernel.add(target, target, this.#convSum(gradient, left - 1), this.#plan.convParameters);
      left--;
    }
    return left;
  }

  /** All deltas of a block and its conv gradients; what the dense layers' gradients need is kept. */
  #backward(kept: number, convSum: number, accumulate: boolean): void {
    const { convs, denses } = this.#plan;
    for (let layer = denses.length - 1; layer >= 0; layer--) {
      const { x, delta, inputs, outputs, ...dense } = denses[layer] as DensePlan;
      this.#kernel.transpose(x, inputs, dense.keptInputs + kept * dense.keptInputBytes);
      this.#kernel.transpose(delta, outputs, dense.keptDeltas + kept * dense.keptDeltaBytes);
      const weight = this.#weights + dense.weightOffset;
      this.#kernel.denseInputGradient(weight, delta, x, inputs, outputs, dense.inputActivation, dense.inputDelta);
    }
    for (let layer = convs.length - 1; layer >= 0; layer--) {
      const conv = convs[layer] as ConvPlan;
      this.#convWeightGradient(conv, convSum, accumulate);
      const before = convs[layer - 1];
      if (before !== undefined) this.#convInputGradient(conv, before);
    }
  }

  #denseWeightGradient(dense: DensePlan, shards: number, blocks: number, gradient: number): void {
    this.#kernel.denseWeightGradient(
      dense.keptDeltas,
      dense.keptInputs,
      shards,
      blocks * LANES,
      dense.inputs,
      dense.outputs,
      gradient + dense.weightOffset,
      gradient + dense.biasOffset,
      this.#plan.stack,
    );
  }

  #convWeightGradient(conv: ConvPlan, gradient: number, accumulate: boolean): void {
    this.#kernel.convWeightGradient(
      conv.sums,
      conv.plane,
      conv.row,
      conv.starts,
      conv.inputs,
      conv.delta,
      conv.size,
      conv.maps,
      conv.height,
      conv.width,
      conv.foldedGradient,
      conv.foldedBiasGradient,
    );
    const w = this.#weights;
    this.#kernel.unfoldGradient(
      w + conv.weightOffset,
      w + conv.biasOffset,
      w + conv.coefficientOffset,
      conv.starts,
      conv.taps,
      conv.maps,
      conv.foldedGradient,
      conv.foldedBiasGradient,
      gradient + conv.weightOffset,
      gradient + conv.biasOffset,
      gradient + conv.coefficientOffset,
      gradient + conv.subsampleBiasOffset,
      accumulate,
    );
  }

  #convInputGradient(conv: ConvPlan, before: ConvPlan): void {
    const { sumDeltas, deltaPlane, deltaRow } = conv;
    this.#kernel.clear(sumDeltas, conv.inputMaps * deltaPlane);
    // The border of zeros: one row above and one column to the left.
    const inside = sumDeltas + deltaRow + 4 * LANES;
    this.#kernel.convInputGradient(
      conv.delta,
      conv.folded,
      conv.feeds,
      conv.feedStarts,
      conv.size,
      conv.inputMaps,
      conv.height,
      conv.width,
      inside,
      deltaPlane,
      deltaRow,
    );
    this.#kernel.boxSumBackward(sumDeltas, before.out, before.maps, before.height, before.width, before.delta);
  }
}
