import { inputKindOf } from '../../shared/data/dataset.ts';
import { allocateAugmented, augmenterFor } from '../../shared/engine/augmentations/augmenter.ts';
import type { PartialGradient } from '../../shared/engine/executor.ts';
import { addPartials } from '../../shared/engine/partials.ts';
import { type PlanOptions, planProgram } from '../../shared/engine/program/planner.ts';
import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { depthOf, type ShardRange } from '../../shared/engine/tree.ts';
import { TreeGradient, type TreeGradientOptions } from '../../shared/engine/tree-gradient.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import { type AuditedJob, Auditor, type Delivered } from './auditor.ts';

export interface GradientAuditorOptions extends Pick<TreeGradientOptions, 'kernel' | 'train' | 'shardSize'> {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  readonly layout: ModelLayout;
  readonly sampler: SamplerOptions;
  /** Shards of the tree. */
  readonly shards: number;
}

/** What decides how much memory it takes. */
interface Shape extends PlanOptions, Pick<SamplerOptions, 'augment'> {
  readonly layout: ModelLayout;
  readonly shards: number;
}

/** Computes partial gradients in the coordinator's own thread, and compares them. */
export class GradientAuditor extends Auditor<PartialGradient> {
  readonly backend: KernelBackend;
  readonly tree: TreeGradient;
  readonly #kernel: KernelExports;
  readonly #levels: readonly Float32Array[];
  readonly #truth: Float32Array;

  constructor({ memory, kernel, layout, sampler, train, shardSize, shards }: GradientAuditorOptions) {
    super();
    const { plan, augmented, truth, levels } = GradientAuditor.allocate(memory, {
      layout,
      shardSize,
      shards,
      seed: sampler.seed,
      augment: sampler.augment,
      inputs: inputKindOf(train),
    });
    this.#kernel = kernel;
    this.backend = new KernelBackend(kernel, plan, memory.memory);
    this.#truth = truth;
    this.#levels = levels;
    this.tree = new TreeGradient({
      backend: this.backend,
      kernel,
      train,
      shardSize,
      levels,
      sampler: new Sampler(sampler),
      augmenter: augmenterFor(augmented, sampler, layout),
    });
  }

  static allocate(memory: Layout, { layout, shards, augment, ...options }: Shape) {
    const { shardSize, inputs } = options;
    const plan = planProgram(layout, options, memory);
    const count = shardSize * plan.shardsAtOnce;
    return {
      plan,
      augmented: allocateAugmented(memory, { augment, layout, inputs, count }),
      truth: memory.parameters(layout.parameters),
      levels: Array.from({ length: depthOf(shards) + 1 }, () => memory.parameters(layout.parameters)),
    };
  }

  areFinite({ lossSum, gradient }: PartialGradient): boolean {
    return Number.isFinite(lossSum) && gradient.every(Number.isFinite);
  }

  protected areSame(a: PartialGradient, b: PartialGradient): boolean {
    const isCounted = Object.is(a.lossSum, b.lossSum) && a.correct === b.correct;
    return isCounted && bytesOf(a.gradient).equals(bytesOf(b.gradient));
  }

  protected sum(parts: readonly PartialGradient[], range: ShardRange): PartialGradient {
    return addPartials(this.#kernel, parts, range, this.#levels);
  }

  protected compute({ t, weights }: AuditedJob, range: ShardRange): PartialGradient {
    this.backend.setWeights(weights.values);
    return { range, gradient: this.#truth, ...this.tree.sum(t, range, this.#truth) };
  }

  protected corrected({ gradient, member }: Delivered<PartialGradient>, truth: PartialGradient) {
    gradient.set(truth.gradient);
    return { ...truth, member, gradient };
  }

  protected nameOf({ t }: AuditedJob, { begin, end }: ShardRange): string {
    return `shards ${begin} to ${end - 1} of step ${t + 1}`;
  }
}
