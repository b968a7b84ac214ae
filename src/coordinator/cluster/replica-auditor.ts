import type { PartialState } from '../../shared/engine/executor.ts';
import { addStates, partialOf } from '../../shared/engine/partials.ts';
import { allocateReplica, type ReplicaOptions, ReplicaTrainer } from '../../shared/engine/replica.ts';
import { RoundFigures } from '../../shared/engine/round-figures.ts';
import { copyState, stateIn, stateLength, vectorsOf } from '../../shared/engine/state.ts';
import { depthOf, type ShardRange, splitOf } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { Layout } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import { type AuditedJob, Auditor, type Delivered } from './auditor.ts';
import type { GradientAuditor } from './gradient-auditor.ts';

export interface ReplicaAuditorOptions extends ReplicaOptions {
  readonly memory: Layout;
  readonly kernel: KernelExports;
  readonly layout: ModelLayout;
  /** Computes gradients in the calling thread. */
  readonly gradients: GradientAuditor;
}

/** Takes local steps in the coordinator's own thread, and compares what replicas came to. */
export class ReplicaAuditor extends Auditor<PartialState> {
  readonly #kernel: KernelExports;
  readonly #trainer: ReplicaTrainer;
  readonly #states: readonly StateVectors[];

  constructor({ memory, kernel, layout, gradients, ...options }: ReplicaAuditorOptions) {
    super();
    const allocated = ReplicaAuditor.allocate(memory, layout, options);
    this.#kernel = kernel;
    this.#states = allocated.states;
    const { backend, tree } = gradients;
    this.#trainer = new ReplicaTrainer({ ...options, memory: allocated.replica, kernel, backend, tree });
  }

  static allocate(
    memory: Layout,
    layout: ModelLayout,
    { shape, replicas }: Pick<ReplicaOptions, 'shape' | 'replicas'>,
  ) {
    return {
      replica: allocateReplica(memory, layout, shape),
      // A sum waits for its right half at each level of the tree.
      states: Array.from({ length: depthOf(replicas) + 1 }, () => stateIn(memory.float32(stateLength(shape)), shape)),
    };
  }

  areFinite({ state, figures }: PartialState): boolean {
    return figures.failedAt === Number.POSITIVE_INFINITY && vectorsOf(state).every((all) => all.every(Number.isFinite));
  }

  protected areSame(a: PartialState, b: PartialState): boolean {
    if (!a.figures.words.every((word, i) => Object.is(word, b.figures.words[i]))) return false;
    const others = vectorsOf(b.state);
    return vectorsOf(a.state).every((vector, i) => bytesOf(vector).equals(bytesOf(others[i] as Float32Array)));
  }

  protected sum(parts: readonly PartialState[], range: ShardRange): PartialState {
    return this.#sum(range, (below, target) => {
      const part = partialOf(parts, below);
      if (part !== undefined) copyState(part.state, target);
      return part?.figures;
    });
  }

  protected compute({ t, steps, weights }: AuditedJob, range: ShardRange): PartialState {
    return this.#sum(range, ({ begin, end }, target) => {
      if (end - begin > 1) return undefined;
      const figures = RoundFigures.of(steps);
      this.#trainer.train({ replica: begin, t, steps, from: weights as StateVectors, target, figures });
      return figures;
    });
  }

  protected corrected({ state, member }: Delivered<PartialState>, truth: PartialState) {
    copyState(truth.state, state);
    return { ...truth, member, state };
  }

  protected nameOf({ t, steps }: AuditedJob, { begin, end }: ShardRange): string {
    return `replicas ${begin} to ${end - 1} of steps ${t + 1} to ${t + steps}`;
  }

  /** @param partOf writes a vertex of the tree to a state, unless its children must be added */
  #sum(
    range: ShardRange,
    partOf: (range: ShardRange, target: StateVectors) => RoundFigures | undefined,
    level = 0,
  ): PartialState {
    const state = this.#states[level] as StateVectors;
    const figures = partOf(range, state);
    if (figures !== undefined) return { range, state, figures };
    const split = splitOf(range);
    const left = this.#sum({ begin: range.begin, end: split }, partOf, level);
    const right = this.#sum({ begin: split, end: range.end }, partOf, level + 1);
    return addStates(this.#kernel, [left, right], range);
  }
}
