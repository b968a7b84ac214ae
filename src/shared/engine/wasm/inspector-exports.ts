import type { instantiate } from '#kernel/inspector';

/** The functions of src/kernel/inspect.ts; pointers are byte offsets into its memory. */
export type InspectorExports = Awaited<ReturnType<typeof instantiate>>;
