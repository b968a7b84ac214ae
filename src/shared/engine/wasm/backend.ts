import { LANES } from '../../model/layers/emit.ts';
import { ExtentError } from '../../util/errors.ts';
import { Stopwatch } from '../../util/stopwatch.ts';
import type { Backend, LossSum, SampleBatch } from '../backend.ts';
import { checkProgram } from '../native/extents.ts';
import { FIRST_BYTE, type SampleLimits } from '../native/record-extents.ts';
import type { OperationList, Program } from '../program/program.ts';
import { treeSum } from '../tree.ts';
import type { KernelExports } from './exports.ts';
import { padded } from './memory.ts';

/**
 * The SIMD kernel as a backend: runs a program's lists over blocks of LANES samples. Weights, samples and gradients must lie in
 * the kernel's shared memory, since views travel as pointers; a gradient is padded to whole registers.
 */
export class KernelBackend implements Backend {
  readonly name = 'kernel';
  readonly sampling = new Stopwatch();
  readonly #kernel: Pick<KernelExports, 'run' | 'add'>;
  readonly #program: Program;
  readonly #memory: WebAssembly.Memory;
  readonly #limits: SampleLimits;
  readonly #indices: Int32Array;
  readonly #shifts: Int8Array;
  readonly #labels: Int32Array;
  readonly #predictions: Int32Array;
  readonly #positions: Uint32Array;
  readonly #loss: Float64Array;
  #weights = 0;

  constructor(kernel: KernelExports, program: Program, memory: WebAssembly.Memory) {
    const { block } = program;
    this.#kernel = kernel;
    this.#program = program;
    this.#memory = memory;
    this.#limits = checkProgram(program, { memory, parameters: program.parameters });
    this.#indices = new Int32Array(memory.buffer, block.indices, LANES);
    this.#shifts = new Int8Array(memory.buffer, block.shifts, 2 * LANES);
    this.#labels = new Int32Array(memory.buffer, block.labels, LANES);
    this.#predictions = new Int32Array(memory.buffer, block.predictions, LANES);
    this.#positions = new Uint32Array(memory.buffer, block.positions, 2 * LANES);
    this.#loss = new Float64Array(memory.buffer, block.loss, 1);
  }

  setWeights(weights: Float32Array): void {
    this.#weights = this.#pointerTo(weights, 4 * this.#program.parameters);
    this.#run(this.#program.lists.step);
  }

  get shardsAtOnce(): number {
    return this.#program.shardsAtOnce;
  }

  gradient(samples: SampleBatch, shards: number, gradient: Float32Array): LossSum {
    const { lists } = this.#program;
    const shardSize = samples.indices.length / shards;
    const blocks = Math.ceil(shardSize / LANES);
    this.#checkShards(shards, shardSize);
    this.#checkSamples(samples);
    this.#pointerTo(gradient, 4 * padded(this.#program.parameters));
    const losses = new Float64Array(shards);
    let correct = 0;
    let pending = 0;
    for (let shard = 0; shard < shards; shard++) {
      const target = this.#sum(gradient, pending);
      for (let block = 0; block < blocks; block++) {
        const first = shard * shardSize + block * LANES;
        const count = this.#load(samples, first, Math.min(first + LANES, (shard + 1) * shardSize));
        const kept = shard * blocks + block;
        this.#run(lists.train, { samples, count, kept, gradient: target, accumulate: block > 0 });
        losses[shard] = (losses[shard] as number) + (this.#loss[0] as number);
        correct += this.#countCorrect(count);
      }
      pending = this.#addPending(gradient, pending + 1, shard, shards);
    }
    this.#run(lists.shards, { count: shards, gradient: gradient.byteOffset });
    return { lossSum: treeSum(losses), correct };
  }

  evaluate(samples: SampleBatch, predictions: Uint16Array): LossSum {
    this.#checkSamples(samples);
    let lossSum = 0;
    let correct = 0;
    for (let first = 0; first < samples.indices.length; first += LANES) {
      const count = this.#load(samples, first, Math.min(first + LANES, samples.indices.length));
      this.#run(this.#program.lists.evaluate, { samples, count });
      lossSum += this.#loss[0] as number;
      correct += this.#countCorrect(count);
      predictions.set(this.#predictions.subarray(0, count), first);
    }
    return { lossSum, correct };
  }

  /** The pointer to `bytes` that belong to a view. */
  #pointerTo({ byteOffset }: ArrayBufferView, bytes: number): number {
    const size = this.#memory.buffer.byteLength;
    if (byteOffset >= FIRST_BYTE && byteOffset + bytes <= size) return byteOffset;
    throw new ExtentError(`${bytes} bytes from ${byteOffset} on aren't in the memory of ${size} bytes.`);
  }

  #checkShards(shards: number, shardSize: number): void {
    const { shardsAtOnce, shardBlocks } = this.#program;
    const isWhole = Number.isInteger(shards) && Number.isInteger(shardSize);
    if (isWhole && shards >= 1 && shards <= shardsAtOnce && shardSize >= 1 && shardSize <= LANES * shardBlocks) return;
    const most = `${shardsAtOnce} shards of ${LANES * shardBlocks} samples`;
    throw new ExtentError(`The program takes at most ${most}, but got ${shards} of ${shardSize}.`);
  }

  #checkSamples({ inputs, targets, indices, shifts }: SampleBatch): void {
    const { inputBytes, targetBytes, maxShift, classes } = this.#limits;
    let count = Number.POSITIVE_INFINITY;
    if (inputBytes > 0) count = Math.floor(inputs.byteLength / inputBytes);
    if (targetBytes > 0) count = Math.min(count, Math.floor(targets.byteLength / targetBytes));
    if (inputBytes > 0) this.#pointerTo(inputs, inputs.byteLength);
    if (targetBytes > 0) this.#pointerTo(targets, targets.byteLength);
    for (const index of indices) {
      if (index < 0 || index >= count) throw new ExtentError(`There is no sample ${index} among ${count}.`);
      if ((targets[index] as number) >= classes)
        throw new ExtentError(`The sample ${index} has the class ${targets[index]} of ${classes}.`);
    }
    const far = shifts.find((shift) => Math.abs(shift) > maxShift);
    if (far !== undefined) throw new ExtentError(`A shift of ${far} is more than ${maxShift}.`);
  }

  #run({ at, count: operations }: OperationList, options: RunOptions = {}): void {
    const { samples, count = 0, kept = 0, gradient = 0, accumulate = false } = options;
    if (this.#weights === 0) throw new Error('There are no weights yet.');
    const [inputs, targets] = [samples?.inputs.byteOffset ?? 0, samples?.targets.byteOffset ?? 0];
    this.#kernel.run(at, operations, this.#weights, gradient, inputs, targets, count, kept, accumulate);
  }

  /** Names a block's samples to the kernel and decodes them; returns how many they are. Empty lanes match no class. */
  #load(samples: SampleBatch, first: number, end: number): number {
    const { indices, shifts, targets } = samples;
    const count = end - first;
    for (let s = 0; s < count; s++) {
      const index = indices[first + s] as number;
      this.#indices[s] = index;
      this.#shifts[2 * s] = shifts[2 * (first + s)] as number;
      this.#shifts[2 * s + 1] = shifts[2 * (first + s) + 1] as number;
      // Numbers have no class: the kernel's prediction is then whether they are right.
      this.#labels[s] = targets instanceof Float32Array ? 1 : (targets[index] as number);
      const position = samples.first + first + s;
      this.#positions[2 * s] = position % 2 ** 32;
      this.#positions[2 * s + 1] = Math.floor(position / 2 ** 32);
    }
    this.#labels.fill(-1, count);
    this.sampling.start();
    this.#run(this.#program.lists.input, { samples, count });
    this.sampling.stop();
    return count;
  }

  #countCorrect(count: number): number {
    let correct = 0;
    for (let s = 0; s < count; s++) if (this.#predictions[s] === this.#labels[s]) correct++;
    return correct;
  }

  /** The vector for the next shard's sums over its blocks: the one after the sums that are pending. */
  #sum(gradient: Float32Array, pending: number): number {
    return pending === 0 ? gradient.byteOffset : (this.#program.sums[pending - 1] as number);
  }

  /** Adds the pending sums as the tree has it once `shard` is in; returns how many remain. */
  #addPending(gradient: Float32Array, pending: number, shard: number, shards: number): number {
    let left = pending;
    // The sums of a vertex's two halves are adjacent when the shards so far fill it, and after the last shard.
    for (let rest = shard; left > 1 && (rest % 2 === 1 || shard + 1 === shards); rest = Math.floor(rest / 2)) {
      const [a, b] = [this.#sum(gradient, left - 2), this.#sum(gradient, left - 1)];
      for (const { first, count } of this.#program.blockRanges)
        this.#kernel.add(a + 4 * first, a + 4 * first, b + 4 * first, count);
      left--;
    }
    return left;
  }
}

interface RunOptions {
  readonly samples?: SampleBatch;
  /** Samples of the block, or shards. */
  readonly count?: number;
  /** The block's number among those that are kept. */
  readonly kept?: number;
  /** Pointer to the gradient. */
  readonly gradient?: number;
  /** Whether gradients are added to what is there. */
  readonly accumulate?: boolean;
}
