import type { Split } from '../../shared/data/dataset.ts';
import type { AugmentedSamples } from '../../shared/engine/augmentations/augmenter.ts';
import type { EvaluationSizes } from '../../shared/engine/evaluation.ts';
import type { ReplicaMemory, ReplicaOptions } from '../../shared/engine/replica.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import type { UpdateRecordPlan } from '../../shared/engine/update.ts';
import type { CompiledKernel } from '../../shared/engine/wasm/exports.ts';
import type { BackendSetup } from './backend.ts';
import type { Faults } from './faults.ts';

/** What a worker's thread gets to know when it starts; all views lie in the shared memory, so their offsets are the kernel's pointers. */
export interface ThreadSetup extends BackendSetup {
  readonly worker: number;
  readonly kernel: CompiledKernel;
  readonly mailbox: Int32Array;
  readonly signal: Int32Array;
  readonly barriers: Int32Array;
  readonly test: Split;
  /** Places of the training samples that are only evaluated. */
  readonly validation: Int32Array | undefined;
  readonly sampler: SamplerOptions;
  /** Where the worker's augmented samples lie; undefined if there are none. */
  readonly augmented: AugmentedSamples | undefined;
  readonly shardSize: number;
  readonly evaluated: EvaluationSizes;
  /** Gradient vectors to reduce in, one a level of the tree. */
  readonly levels: readonly Float32Array[];
  readonly updates: readonly UpdateRecordPlan[];
  readonly updateScratch: readonly Float32Array[];
  /** Undefined if the job isn't cut into replicas. */
  readonly replicas: (ReplicaOptions & { readonly memory: ReplicaMemory }) | undefined;
  /** How long to poll for the next command, and for the other workers, before sleeping; 0 if threads outnumber the processors. */
  readonly spinMs: number;
  readonly faults: Faults;
}

/** The part that is the same for every thread of a worker; `WorkerThreads` adds what each start has of its own. */
export type WorkerSetup = Omit<ThreadSetup, 'startupMutex' | 'owner'>;
