import { threadId } from 'node:worker_threads';
import type { Backend, SampleBatch } from '../../shared/engine/backend.ts';
import { Sampler } from '../../shared/engine/sampler.ts';
import { TreeGradient } from '../../shared/engine/tree-gradient.ts';
import { BlockUpdater } from '../../shared/engine/update.ts';
import { instantiateKernel } from '../../shared/engine/wasm/exports.ts';
import { startBackend } from './backend.ts';
import { StepBarriers } from './barrier.ts';
import { CompletionSignal } from './completion-signal.ts';
import { injectFault } from './faults.ts';
import { type Answer, type Command, Mailbox, NOTHING_DONE, type RangeTarget } from './mailbox.ts';
import { EvaluationRegion, PartialRegion } from './regions.ts';
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
  readonly #chunk: Pick<SampleBatch, 'indices' | 'shifts'>;

  constructor(setup: ThreadSetup) {
    this.#setup = setup;
    const kernel = instantiateKernel(setup.kernel, setup.memory);
    this.#backend = startBackend(setup, kernel);
    this.#barriers = new StepBarriers(setup.barriers);
    this.#updaters = setup.updates.map((plan) => new BlockUpdater(kernel, plan, setup.updateScratch));
    const { train, shardSize, levels } = setup;
    const sampler = new Sampler(setup.sampler);
    this.#tree = new TreeGradient({ backend: this.#backend, kernel, sampler, train, shardSize, levels });
    this.#chunk = { indices: new Int32Array(setup.chunkSize), shifts: new Int8Array(2 * setup.chunkSize) };
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
    return {
      sample,
      compute: Math.max(0, work - sample - inTree),
      reduce: inTree + inBlocks,
      update: Math.max(0, update - inBlocks),
    };
  }

  #compute({ kind, t, weights, targets }: Command): void {
    const { memory, layout, worker, faults } = this.#setup;
    this.#backend.setWeights(new Float32Array(memory.buffer, weights, layout.parameters));
    if (kind !== 'evaluate') injectFault(faults, worker, t, 'compute');
    for (const target of targets) {
      if (kind === 'evaluate') this.#evaluate(target);
      else this.#gradient(t, target);
    }
  }

  #gradient(t: number, { range, region }: RangeTarget): void {
    const partial = new PartialRegion(this.#setup.memory.buffer, region, this.#setup.layout.parameters);
    partial.write(this.#tree.sum(t, range, partial.gradient));
  }

  #evaluate({ range, region }: RangeTarget): void {
    const { memory, chunkSize, test } = this.#setup;
    const result = new EvaluationRegion(memory.buffer, region, range, chunkSize);
    for (let chunk = range.begin; chunk < range.end; chunk++) {
      const first = chunk * chunkSize;
      const count = Math.min(chunkSize, test.labels.length - first);
      const indices = this.#chunk.indices.subarray(0, count);
      for (let i = 0; i < count; i++) indices[i] = first + i;
      const { lossSum } = this.#backend.evaluate({ ...test, ...this.#chunk, indices }, result.predictions(chunk));
      result.losses[chunk - range.begin] = lossSum;
    }
  }
}
