import type { Split } from '../../shared/data/dataset.ts';
import type { Backend } from '../../shared/engine/backend.ts';
import type { Program } from '../../shared/engine/program/program.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import { TfjsBackend } from '../../shared/engine/tfjs/backend.ts';
import { loadTfjs } from '../../shared/engine/tfjs/load.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { BackendName } from './backend-name.ts';
import { StartupMutex } from './startup-mutex.ts';

/** What a thread's backend is made from. */
export interface BackendSetup {
  readonly backend: BackendName;
  /** Only for the kernel backend, which can't run every model. */
  readonly plan: Program | undefined;
  readonly memory: WebAssembly.Memory;
  readonly layout: ModelLayout;
  readonly train: Split;
  /** The run's, which decides what dropout drops. */
  readonly sampler: Pick<SamplerOptions, 'seed'>;
  /** Lets one thread at a time start a backend that can't be started by two at once. */
  readonly startupMutex: Int32Array;
  /** Names this start among all of the process. */
  readonly owner: number;
}

/** The backend of this thread, ready to compute. */
export function startBackend(setup: BackendSetup, kernel: KernelExports): Backend {
  const { plan, memory, layout, train, sampler, startupMutex, owner } = setup;
  if (plan !== undefined) return new KernelBackend(kernel, plan, memory);
  // The addon keeps the names of all operations' attributes in a set that is the whole process's and has no lock, and every
  // operation enters its own. Two threads that enter names at the same time damage it: crashes and endless loops were seen.
  // Once every name is in it, it is only read. So one thread must have done whatever a step does, forward, gradients and
  // evaluation, before the next one loads the library.
  const startUp = new StartupMutex(startupMutex);
  startUp.take(owner);
  try {
    const tfjs = new TfjsBackend(loadTfjs(), layout, sampler.seed);
    doOneStep(tfjs, layout, train);
    return tfjs;
  } finally {
    startUp.release(owner);
  }
}

function doOneStep(backend: Backend, { parameters }: ModelLayout, train: Split): void {
  const samples = { ...train, first: 0, indices: Int32Array.of(0, train.count - 1), shifts: new Int8Array(4) };
  backend.setWeights(new Float32Array(parameters));
  backend.gradient(samples, 1, new Float32Array(parameters));
  backend.evaluate(samples, new Uint16Array(2));
}
