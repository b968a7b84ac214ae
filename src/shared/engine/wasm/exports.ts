import { readFileSync } from 'node:fs';
import type { KernelTarget } from '../kernel-name.ts';
import { bindNative } from '../native/addon.ts';
import type { KernelExports } from './kernel-exports.ts';

export type { KernelExports };

function moduleBytes(file: string): Uint8Array {
  return readFileSync(new URL(`../../../kernel/${file}`, import.meta.url));
}

/** Compiled once a process; threads share it, and so its optimised code. */
export interface CompiledKernel {
  readonly module: WebAssembly.Module;
  readonly target: KernelTarget;
}

export function compileKernel(target: KernelTarget = 'wasm'): CompiledKernel {
  return { module: new WebAssembly.Module(moduleBytes('kernel.wasm')), target };
}

export function instantiateKernel({ module, target }: CompiledKernel, memory: WebAssembly.Memory): KernelExports {
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
  return target === 'wasm' ? exports : { ...exports, ...bindNative(target, memory) };
}

/** What `Inspector` runs (src/kernel/inspect.ts). */
export function compileInspector(): WebAssembly.Module {
  return new WebAssembly.Module(inspectorBytes());
}

export function inspectorBytes(): Uint8Array {
  return moduleBytes('inspector.wasm');
}
