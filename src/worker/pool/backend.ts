import type { Backend } from '../../shared/engine/backend.ts';
import { TfjsBackend } from '../../shared/engine/tfjs/backend.ts';
import { loadTfjs } from '../../shared/engine/tfjs/load.ts';
import { KernelBackend } from '../../shared/engine/wasm/backend.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { SampleSet } from './sample-set.ts';
import { StartupMutex } from './startup-mutex.ts';
import type { ThreadSetup } from './thread.ts';

export type BackendName = 'kernel' | 'tfjs';

/** The backend of this thread, ready to compute. */
export function startBackend(setup: ThreadSetup, kernel: KernelExports): Backend {
  const { backend, plan, memory, layout, train, startupMutex, owner } = setup;
  if (backend === 'kernel') return new KernelBackend(kernel, plan, memory);
  // The addon keeps the names of all operations' attributes in a set that is the whole process's and has no lock, and every
  // operation enters its own. Two threads that enter names at the same time damage it: crashes and endless loops were seen.
  // Once every name is in it, it is only read. So one thread must have done whatever a step does, forward, gradients and
  // evaluation, before the next one loads the library.
  const startUp = new StartupMutex(startupMutex);
  startUp.take(owner);
  try {
    const tfjs = new TfjsBackend(loadTfjs(), layout);
    doOneStep(tfjs, layout, train);
    return tfjs;
  } finally {
    startUp.release(owner);
  }
}

function doOneStep(backend: Backend, { parameters }: ModelLayout, train: SampleSet): void {
  const samples = { ...train, indices: Int32Array.of(0, train.labels.length - 1), shifts: new Int8Array(4) };
  backend.setWeights(new Float32Array(parameters));
  backend.gradient(samples, 1, new Float32Array(parameters));
  backend.evaluate(samples, new Uint8Array(2));
}
