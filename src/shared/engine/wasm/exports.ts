import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { instantiate } from '#kernel';

/**
 * Raised with any change to what the wasm bytes don't cover: initial weights, sampler, augmentation, reduction tree, the
 * order in which the kernel's functions are called.
 */
const NUMERICS_VERSION = 1;

/** The kernel's functions (src/kernel), as its compiler declares them; pointers are byte offsets into its memory. */
export type KernelExports = Awaited<ReturnType<typeof instantiate>>;

function kernelBytes(): Uint8Array {
  return moduleBytes('kernel.wasm');
}

function moduleBytes(file: string): Uint8Array {
  return readFileSync(new URL(`../../../kernel/${file}`, import.meta.url));
}

/** Compiled once a process; threads share it, and so its optimised code. */
export function compileKernel(): WebAssembly.Module {
  return new WebAssembly.Module(kernelBytes());
}

export function instantiateKernel(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}

/** What `Inspector` runs (src/kernel/inspect.ts): apart from the kernel, so that it is no part of the numerics digest. */
export function compileInspector(): WebAssembly.Module {
  return new WebAssembly.Module(inspectorBytes());
}

export function inspectorBytes(): Uint8Array {
  return moduleBytes('inspector.wasm');
}

/** SHA-256 over what decides the bits: nodes with different digests must not train together. */
export function numericsDigest(): string {
  return createHash('sha256').update(kernelBytes()).update(`numerics ${NUMERICS_VERSION}`).digest('hex');
}
