import { threadId } from 'node:worker_threads';
import { augmenterFor } from '../../shared/engine/augmentations/augmenter.ts';
import type { Backend, SampleBatch } from '../../shared/engine/backend.ts';
import { EvaluationChunks } from '../../shared/engine/evaluation.ts';
import { ReplicaTrainer } from '../../shared/engine/replica.ts';
import { Sampler } from '../../shared/engine/sampler.ts';
import { stateAt } from '../../shared/engine/state.ts';
import { TreeGradient } from '../../shared/engine/tree-gradient.ts';
import { BlockUpdater } from '../../shared/engine/update.ts';
import { instantiateKernel, type KernelExports } from '../../shared/engine/wasm/exports.ts';
import { startBackend } from './backend.ts';
import { StepBarriers } from './barrier.ts';
import { CompletionSignal } from './completion-signal.ts';
import { injectFault } from './faults.ts';
import { type Answer, type Command, Mailbox, NOTHING_DONE, type RangeTarget } from './mailbox.ts';
import { EvaluationRegion, PartialRegion, StateRegion } from './regions.ts';
import type { ThreadSetup } from './thread-setup.ts';

/** The task that each Piscina thread runs for as long as the pool lives: one command after the other from its mailbox. */
export function resident(setup: ThreadSetup): void {
  const mailbox = new Mailbox(setup.mailbox);
  const signal = new CompletionSignal(setup.signal);
  const worker = new Worker(setup);
  mailbox.listen(threadId);
  signal.signal();
  for (;;) {
    const command = mailbox.receive(setup.spinMs);
    mailbox.finish(worker.obey(command));
    signal.count();
  }
}

class Worker {
  readonly #setup: ThreadSetup;
  readonly #backend: Backend;
  readonly #barriers: StepBarriers;
  readonly #updaters: readonly BlockUpdater[];
  readonly #tree: TreeGradient;
  readonly #trainer: ReplicaTrainer | undefined;
  readonly #chunks: EvaluationChunks;
  readonly #chunk: Pick<SampleBatch, 'first' | 'indices' | 'shifts'>;

  constructor(setup: ThreadSetup) {
    this.#setup = setup;
    const kernel = instantiateKernel(setup.kernel, setup.memory);
    this.#backend = startBackend(setup, kernel);
    this.#barriers = new StepBarriers(setup.barriers);
    this.#updaters = setup.updates.map((plan) => new BlockUpdater(kernel, plan, setup.updateScratch));
    const { train, shardSize, levels } = setup;
    const sampler = new Sampler(setup.sampler);
    const augmenter = augmenterFor(setup.augmented, setup.sampler, setup.layout);
    this.#tree = new TreeGradient({ backend: this.#backend, kernel, sampler, augmenter, train, shardSize, levels });
    this.#trainer = this.#startTrainer(kernel);
    const { chunkSize } = setup.evaluated;
    this.#chunks = new EvaluationChunks(setup.evaluated);
    this.#chunk = { first: 0, indices: new Int32Array(chunkSize), shifts: new Int8Array(2 * chunkSize) };
  }

  #startTrainer(kernel: KernelExports): ReplicaTrainer | undefined {
    const { replicas, faults, worker } = this.#setup;
    if (replicas === undefined) return undefined;
    const onStep = (t: number): void => {
      for (const phase of ['compute', 'update'] as const) injectFault(faults, worker, t, phase);
    };
    return new ReplicaTrainer({ ...replicas, kernel, backend: this.#backend, tree: this.#tree, onStep });
  }

  obey(command: Command): Answer {
    const { kind, generation, after, blocks, record } = command;
    const { spinMs } = this.#setup;
    const begin = performance.now();
    if (after !== 0 && !this.#barriers.waitForUpdate(after, spinMs)) return NOTHING_DONE;
    const start = performance.now();
    if (kind !== 'update') this.#compute(command);
    const computed = performance.now();
    const updated = kind === 'update' || (kind === 'step' && this.#barriers.computed(generation, spinMs));
    const entered = performance.now();
    if (updated && kind === 'step') injectFault(this.#setup.faults, this.#setup.worker, command.t, 'update');
    if (updated) this.#updaters[record]?.apply(blocks);
    if (updated && kind === 'step') this.#barriers.updated(generation);
    const end = performance.now();
    const [work, update] = [(computed - start) / 1000, (end - entered) / 1000];
    return { total: (end - begin) / 1000, work, ...this.#phases(work, update, record), computed: true, updated };
  }

  /** Seconds of a command's phases, from those that it took to work and to update. */
  #phases(work: number, update: number, record: number): Pick<Answer, 'sample' | 'compute' | 'reduce' | 'update'> {
    const sample = this.#backend.sampling.take();
    const [inTree, inBlocks] = [this.#tree.reducing.take(), this.#updaters[record]?.reducing.take() ?? 0];
    const local = this.#trainer?.updating.take() ?? 0;
    return {
      sample,
      compute: Math.max(0, work - sample - inTree - local),
      reduce: inTree + inBlocks,
      update: Math.max(0, update - inBlocks) + local,
    };
  }

  #compute(command: Command): void {
    const { kind, t, weights, targets, firstShard } = command;
    const { memory, layout, worker, faults } = this.#setup;
    if (kind === 'replica') {
      for (const target of targets) this.#replica(command, target);
      return;
    }
    this.#backend.setWeights(new Float32Array(memory.buffer, weights, layout.parameters));
    if (kind !== 'evaluate') injectFault(faults, worker, t, 'compute');
    for (const target of targets) {
      if (kind === 'evaluate') this.#evaluate(target);
      else this.#gradient(t, target, firstShard);
    }
  }

  #gradient(t: number, { range: { begin, end }, region }: RangeTarget, firstShard: number): void {
    const partial = new PartialRegion(this.#setup.memory.buffer, region, this.#setup.layout.parameters);
    // The tree has the same form wherever it begins.
    partial.write(this.#tree.sum(t, { begin: firstShard + begin, end: firstShard + end }, partial.gradient));
  }

  #replica({ t, weights, steps }: Command, { range, region }: RangeTarget): void {
    const { memory, replicas } = this.#setup;
    if (replicas === undefined) return;
    const result = new StateRegion(memory.buffer, region, replicas.shape, replicas.steps);
    const from = stateAt(memory.buffer, weights, replicas.shape);
    const [target, figures] = [result.state, result.figures(steps)];
    this.#trainer?.train({ replica: range.begin, t, steps, from, target, figures });
  }

  #evaluate({ range, region }: RangeTarget): void {
    const { memory, evaluated } = this.#setup;
    const result = new EvaluationRegion(memory.buffer, region, range, evaluated.chunkSize);
    for (let chunk = range.begin; chunk < range.end; chunk++) {
      const { lossSum } = this.#backend.evaluate(this.#samplesOf(chunk), result.predictions(chunk));
      result.losses[chunk - range.begin] = lossSum;
    }
  }

  /** The samples of a chunk, which hold until the next one's. */
  #samplesOf(chunk: number): SampleBatch {
    const { test, train, validation, evaluated } = this.#setup;
    const first = this.#chunks.before(chunk);
    const indices = this.#chunk.indices.subarray(0, this.#chunks.before(chunk + 1) - first);
    for (let i = 0; i < indices.length; i++) {
      const place = first + i;
      indices[i] = place < evaluated.testSamples ? place : (validation?.[place - evaluated.testSamples] as number);
    }
    const { inputs, targets } = chunk < this.#chunks.tests ? test : train;
    return { ...this.#chunk, inputs, targets, indices };
  }
}
