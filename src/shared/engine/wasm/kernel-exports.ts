import type { instantiate } from '#kernel';

/** The kernel's functions (src/kernel), as its compiler declares them; pointers are byte offsets into its memory. */
export type KernelExports = Awaited<ReturnType<typeof instantiate>>;
