import { readFileSync } from 'node:fs';
import type { instantiate } from '#kernel';

/** The kernel's functions (src/kernel), as its compiler declares them; pointers are byte offsets into its memory. */
export type KernelExports = Awaited<ReturnType<typeof instantiate>>;

function moduleBytes(file: string): Uint8Array {
  return readFileSync(new URL(`../../../kernel/${file}`, import.meta.url));
}

/** Compiled once a process; threads share it, and so its optimised code. */
export function compileKernel(): WebAssembly.Module {
  return new WebAssembly.Module(moduleBytes('kernel.wasm'));
}

export function instantiateKernel(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

/** What `Inspector` runs (src/kernel/inspect.ts). */
export function compileInspector(): WebAssembly.Module {
  return new WebAssembly.Module(inspectorBytes());
}

export function inspectorBytes(): Uint8Array {
  return moduleBytes('inspector.wasm');
}
