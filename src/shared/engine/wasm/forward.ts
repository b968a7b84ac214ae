import { Stopwatch } from '../../util/stopwatch.ts';
import type { InspectorExports } from './inspector-exports.ts';
import type { ConvPlan } from './layer-plans.ts';
import type { KernelPlan } from './plan.ts';

/** What the forward pass calls: the kernel and the module to look at it (src/kernel/inspect.ts) both have it. */
export type ForwardExports = Pick<
  InspectorExports,
  'decode' | 'boxSum' | 'foldSubsample' | 'convForward' | 'denseForward'
>;

/** The plan's layers, forward, up to the head's logits or its input. One serves one thread. */
export class ForwardPass {
  /** Runs while samples are chosen and decoded. */
  readonly sampling = new Stopwatch();
  readonly #kernel: ForwardExports;
  readonly #plan: KernelPlan;
  #weights = 0;

  constructor(kernel: ForwardExports, plan: KernelPlan) {
    this.#kernel = kernel;
    this.#plan = plan;
  }

  /** @param weights pointer to f32 [parameters], read now and by every later pass */
  setWeights(weights: number): void {
    this.#weights = weights;
    for (const conv of this.#plan.convs) {
      this.#kernel.foldSubsample(
        weights + conv.weightOffset,
        weights + conv.biasOffset,
        weights + conv.coefficientOffset,
        weights + conv.subsampleBiasOffset,
        conv.starts,
        conv.taps,
        conv.maps,
        conv.folded,
        conv.foldedBias,
      );
    }
  }

  /**
   * Leaves every layer's activations in the plan's places.
   * @param images pointer to bytes [sample][height][width]; the plan's `input` names which samples and their shifts
   * @param count samples, 1 to LANES
   */
  run(images: number, count: number): void {
    for (const [layer, conv] of this.#plan.convs.entries()) {
      const before = this.#plan.convs[layer - 1];
      if (before === undefined) this.#decode(images, count, conv.sums);
      else this.#kernel.boxSum(before.out, before.maps, before.height, before.width, conv.sums);
      this.#conv(conv);
    }
    const w = this.#weights;
    for (const { weightOffset, biasOffset, x, inputs, outputs, activation, out } of this.#plan.denses) {
      this.#kernel.denseForward(w + weightOffset, w + biasOffset, x, inputs, outputs, activation, out);
    }
  }

  #decode(images: number, count: number, sums: number): void {
    const { input } = this.#plan;
    this.sampling.start();
    this.#kernel.decode(
      images,
      input.indices,
      input.shifts,
      count,
      input.width,
      input.height,
      input.padding,
      input.stride,
      input.side,
      input.scratch,
      sums,
    );
    this.sampling.stop();
  }

  #conv(conv: ConvPlan): void {
    this.#kernel.convForward(
      conv.sums,
      conv.plane,
      conv.row,
      conv.starts,
      conv.inputs,
      conv.folded,
      conv.foldedBias,
      conv.size,
      conv.maps,
      conv.height,
      conv.width,
      conv.out,
    );
  }
}
