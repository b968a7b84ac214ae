import type { Assignment, AssignmentResult, Member } from '#src/coordinator/cluster/member.js';
import { augmentOf } from '#src/shared/config/augment-option.js';
import type { TrainConfig } from '#src/shared/config/config.js';
import { type Dataset, inputKindOf, type Split, shapeOf } from '#src/shared/data/dataset.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import { Sampler } from '#src/shared/engine/sampler.js';
import { depthOf } from '#src/shared/engine/tree.js';
import { TreeGradient } from '#src/shared/engine/tree-gradient.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import type { KernelExports } from '#src/shared/engine/wasm/exports.js';
import type { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { placeInMemory } from '#src/worker/pool/sample-set.js';

interface InlineMemberOptions {
  readonly config: TrainConfig;
  readonly layout: ModelLayout;
  readonly kernel: KernelExports;
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  /** The test set is one chunk. */
  readonly dataset: Dataset;
}

/** Computes in the calling thread. */
export class InlineMember implements Member {
  readonly name = 'inline';
  readonly threads = 1;
  readonly #memory: SharedMemory;
  readonly #layout: ModelLayout;
  readonly #backend: KernelBackend;
  readonly #tree: TreeGradient;
  readonly #test: Split;

  constructor({ config, layout, kernel, memory, dataset }: InlineMemberOptions) {
    const { batch, shardSize, seed } = config;
    const augment = augmentOf(config, shapeOf(dataset));
    const train = placeInMemory(memory, dataset.train);
    const plan = planProgram(layout, { shardSize, seed, inputs: inputKindOf(train) }, memory);
    const levels = Array.from({ length: depthOf(batch / shardSize) }, () => memory.parameters(layout.parameters));
    const sampler = new Sampler({ samples: train.count, batch, seed, augment });
    this.#memory = memory;
    this.#layout = layout;
    this.#backend = new KernelBackend(kernel, plan, memory.memory);
    this.#tree = new TreeGradient({ backend: this.#backend, kernel, sampler, train, shardSize, levels });
    this.#test = placeInMemory(memory, dataset.test);
  }

  async work({ kind, t, weights, ranges }: Assignment): Promise<AssignmentResult> {
    this.#backend.setWeights(weights.values);
    if (kind === 'evaluate') return { kind, chunks: ranges.map((range) => ({ range, ...this.#evaluate() })) };
    if (kind === 'replica') throw new Error('This member takes no local steps.');
    const partials = ranges.map((range) => {
      const gradient = this.#memory.parameters(this.#layout.parameters);
      return { range, gradient, ...this.#tree.sum(t, range, gradient) };
    });
    return { kind, partials };
  }

  #evaluate() {
    const { count } = this.#test;
    const predictions = new Uint16Array(count);
    const samples = {
      first: 0,
      indices: Int32Array.from({ length: count }, (_, i) => i),
      shifts: new Int8Array(2 * count),
    };
    const { lossSum } = this.#backend.evaluate({ ...this.#test, ...samples }, predictions);
    return { losses: [lossSum], predictions };
  }

  expel(): void {}
}
