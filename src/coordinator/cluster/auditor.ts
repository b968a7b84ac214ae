import { inputKindOf } from '../../shared/data/dataset.ts';
import { allocateAugmented, augmenterFor } from '../../shared/engine/augmentations/augmenter.ts';
import type { PartialGradient, WeightsVersion } from '../../shared/engine/executor.ts';
import { addPartials } from '../../shared/engine/partials.ts';
import { type PlanOptions, planProgram } from '../../shared/engine/program/planner.ts';
import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { depthOf } from '../../shared/engine/tree.ts';
import { TreeGradient, type TreeGradientOptions } from '../../shared/engine/tree-gradient.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import type { Member } from './member.ts';

export interface AuditorOptions extends Pick<TreeGradientOptions, 'kernel' | 'train' | 'shardSize'> {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  readonly layout: ModelLayout;
  readonly sampler: SamplerOptions;
}

/** What decides how much memory an auditor takes. */
interface AuditorShape extends PlanOptions, Pick<SamplerOptions, 'batch' | 'augment'> {
  readonly layout: ModelLayout;
}

/** What a member delivered. */
export interface Delivered extends PartialGradient {
  readonly member: Member;
}

/** The step that partial gradients belong to. */
interface Step {
  readonly t: number;
  readonly weights: WeightsVersion;
}

/**
 * Looks at what members delivered: compares what two of them computed of the same shard range, and computes in the coordinator's own
 * thread what they disagree on, or what isn't finite. Whoever is wrong is expelled.
 */
export class Auditor {
  /** Comparisons so far. */
  readonly counts = { match: 0, mismatch: 0 };
  readonly #kernel: KernelExports;
  readonly #backend: KernelBackend;
  readonly #tree: TreeGradient;
  readonly #levels: readonly Float32Array[];
  readonly #truth: Float32Array;

  constructor({ memory, kernel, layout, sampler, train, shardSize }: AuditorOptions) {
    const { plan, augmented, truth, levels } = Auditor.allocate(memory, {
      layout,
      shardSize,
      batch: sampler.batch,
      seed: sampler.seed,
      augment: sampler.augment,
      inputs: inputKindOf(train),
    });
    this.#kernel = kernel;
    this.#backend = new KernelBackend(kernel, plan, memory.memory);
    this.#truth = truth;
    this.#levels = levels;
    this.#tree = new TreeGradient({
      backend: this.#backend,
      kernel,
      train,
      shardSize,
      levels: this.#levels,
      sampler: new Sampler(sampler),
      augmenter: augmenterFor(augmented, sampler, layout),
    });
  }

  static allocate(memory: Layout, { layout, batch, augment, ...options }: AuditorShape) {
    const { shardSize, inputs } = options;
    const depth = depthOf(batch / shardSize);
    const plan = planProgram(layout, options, memory);
    const count = shardSize * plan.shardsAtOnce;
    return {
      plan,
      augmented: allocateAugmented(memory, { augment, layout, inputs, count }),
      truth: memory.parameters(layout.parameters),
      levels: Array.from({ length: depth + 1 }, () => memory.parameters(layout.parameters)),
    };
  }

  /**
   * Compares a duplicate with what is known of the same shard range: one result, or those that make it up.
   * @returns what is right, if any of it was wrong
   */
  compare(step: Step, known: readonly Delivered[], duplicate: Delivered): Delivered[] {
    if (areSame(addPartials(this.#kernel, known, duplicate.range, this.#levels), duplicate)) {
      this.counts.match++;
      return [];
    }
    this.counts.mismatch++;
    return [...known, duplicate].flatMap((each) => this.#judge(step, each, 'badResult'));
  }

  /**
   * Computes again what makes up a sum that isn't finite: each part may be finite, and yet so large that only their sum isn't. Another
   * machine's NaN may have other bits: if it isn't finite here either, it stays.
   * @returns what is finite here and was delivered with other bits
   */
  recheck(step: Step, delivered: readonly Delivered[]): Delivered[] {
    return delivered.flatMap((each) => this.#judge(step, each, areFinite(each) ? 'badResult' : 'notFinite'));
  }

  #judge({ t, weights }: Step, delivered: Delivered, closeCode: 'badResult' | 'notFinite'): Delivered[] {
    const { range, member, gradient } = delivered;
    this.#backend.setWeights(weights.values);
    const truth = { range, gradient: this.#truth, ...this.#tree.sum(t, range, this.#truth) };
    if (areSame(truth, delivered) || !areFinite(truth)) return [];
    gradient.set(truth.gradient);
    member.expel(closeCode, `shards ${range.begin} to ${range.end - 1} of step ${t + 1}`);
    return [{ ...truth, member, gradient }];
  }
}

function areSame(a: PartialGradient, b: PartialGradient): boolean {
  return Object.is(a.lossSum, b.lossSum) && a.correct === b.correct && bytesOf(a.gradient).equals(bytesOf(b.gradient));
}

function areFinite({ lossSum, gradient }: PartialGradient): boolean {
  return Number.isFinite(lossSum) && gradient.every(Number.isFinite);
}
