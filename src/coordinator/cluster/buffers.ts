import type { PartialGradient } from '../../shared/engine/executor.ts';
import type { Layout } from '../../shared/engine/wasm/memory.ts';
import type { RemotePartial } from './member.ts';

/** Remote partial gradients of one step; more than one a shard come only after many failures. */
const MAX_BUFFERS = 512;

/** Buffers that hold remote partial gradients until the step's update is done. */
export class GradientBuffers {
  readonly #buffers: readonly Float32Array[];
  #used = 0;

  constructor(memory: Layout, parameters: number, shards: number) {
    this.#buffers = Array.from({ length: Math.min(MAX_BUFFERS, 2 * shards) }, () => memory.parameters(parameters));
  }

  /** Whether there is room: for what is wanted as long as there is any, for `spare` copies no more than half of it. */
  hasRoom({ spare }: { readonly spare: boolean }): boolean {
    return this.#used < (spare ? this.#buffers.length / 2 : this.#buffers.length);
  }

  /** To be called only if there is room. */
  copy(partial: RemotePartial): PartialGradient {
    const gradient = this.#buffers[this.#used++] as Float32Array;
    partial.copyTo(gradient);
    const { range, lossSum, correct } = partial;
    return { range, lossSum, correct, gradient };
  }

  /** The buffers of the step before are free. */
  reclaim(): void {
    this.#used = 0;
  }
}
