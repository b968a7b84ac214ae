import { UsageError } from '../util/errors.ts';
import type { KernelName, KernelTarget } from './kernel-name.ts';
import { nativeTargets } from './native/addon.ts';
import { selfTest } from './self-test.ts';

export interface KernelChoice {
  readonly target: KernelTarget;
  /** Why it isn't the target that was wanted: its self-test gave other bits than WebAssembly. */
  readonly problem?: string;
}

/**
 * The code that computes: auto is the widest that was built, that this processor runs, and whose self-test gives WebAssembly's bits.
 * WebAssembly defines the bits, so a target that differs is never used.
 * @throws UsageError if a target was named that can't run here
 */
export function chooseKernel(name: KernelName): KernelChoice {
  const available = nativeTargets();
  if (name === 'wasm' || (name === 'auto' && available.length === 0)) return { target: 'wasm' };
  const target = name === 'auto' ? available[0] : available.find((each) => each === name);
  if (target === undefined) {
    const known = ['auto', 'wasm', ...available].join(', ');
    throw new UsageError(
      `--kernel ${name}: this build has no such code, or this processor doesn't run it. Here are ${known}.`,
    );
  }
  if (selfTest(target) === selfTest('wasm')) return { target };
  return {
    target: 'wasm',
    problem: `The kernel ${target} computes other bits than WebAssembly on this machine, so WebAssembly is used. Please report it.`,
  };
}
