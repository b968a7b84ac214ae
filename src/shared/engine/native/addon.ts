import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { NativeTarget } from '../kernel-name.ts';
import type { KernelExports } from '../wasm/kernel-exports.ts';

/** The functions that src/native has; the others, on scalars and for people to look at, are WebAssembly's alone. */
export type NativeFunctions = Pick<KernelExports, 'run' | 'add' | 'meanAndSquares' | 'sgd' | 'adam' | 'follow'>;

interface Addon {
  /** Those that this processor runs, widest first. */
  targets(): NativeTarget[];
  /** @param memory all of it */
  bind(target: NativeTarget, memory: Uint8Array): NativeFunctions;
}

const FILE = fileURLToPath(new URL('../../../native/lockstep.node', import.meta.url));

/** Undefined: not looked for; null: there is none, or it doesn't load. */
let loaded: Addon | null | undefined;

function addon(): Addon | null {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)(FILE) as Addon;
    } catch {
      loaded = null;
    }
  }
  return loaded;
}

/** The targets that were built and that this processor runs, widest first. */
export function nativeTargets(): readonly NativeTarget[] {
  return addon()?.targets() ?? [];
}

/** The functions over a memory; pointers are byte offsets into it. The memory may grow: it stays where it is. */
export function bindNative(target: NativeTarget, memory: WebAssembly.Memory): NativeFunctions {
  const own = addon();
  if (own === null) throw new Error(`There is no native kernel at ${FILE}.`);
  return own.bind(target, new Uint8Array(memory.buffer));
}
