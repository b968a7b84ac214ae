import type { FindContext } from '#src/shared/data/source.js';

/** What a kind of source is given if nobody asks for anything. */
export const CONTEXT: FindContext = { env: {}, print: () => {}, reading: {} };
