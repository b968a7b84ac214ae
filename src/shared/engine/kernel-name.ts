/** What `--kernel` takes: auto is the fastest that computes WebAssembly's bits on this machine. */
export const KERNEL_NAMES = ['auto', 'wasm', 'avx2', 'avx512'] as const;
export type KernelName = (typeof KERNEL_NAMES)[number];

/** Which code computes; all of it computes the same bits. */
export type KernelTarget = Exclude<KernelName, 'auto'>;

/** What src/native is compiled for. */
export type NativeTarget = Exclude<KernelTarget, 'wasm'>;
