import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import type { UpdateRecordPlan } from '../../shared/engine/update.ts';
import type { BackendSetup } from './backend.ts';
import type { Faults } from './faults.ts';
import type { SampleSet } from './sample-set.ts';

/** What a worker's thread gets to know when it starts; all views lie in the shared memory, so their offsets are the kernel's pointers. */
export interface ThreadSetup extends BackendSetup {
  readonly worker: number;
  readonly kernel: WebAssembly.Module;
  readonly mailbox: Int32Array;
  readonly signal: Int32Array;
  readonly barriers: Int32Array;
  readonly test: SampleSet;
  readonly sampler: SamplerOptions;
  readonly shardSize: number;
  /** Test samples of one evaluation chunk. */
  readonly chunkSize: number;
  /** Gradient vectors to reduce in, one a level of the tree. */
  readonly levels: readonly Float32Array[];
  readonly updates: readonly UpdateRecordPlan[];
  readonly updateScratch: readonly Float32Array[];
  /** How long to poll for the next command, and for the other workers, before sleeping; 0 if threads outnumber the processors. */
  readonly spinMs: number;
  readonly faults: Faults;
}

/** The part that is the same for every thread of a worker; `WorkerThreads` adds what each start has of its own. */
export type WorkerSetup = Omit<ThreadSetup, 'startupMutex' | 'owner'>;
