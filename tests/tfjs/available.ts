import { tfjsProblem } from '#src/shared/backends/tfjs/load.js';

/** For tests of native TensorFlow: false, or why they are skipped. */
export const skipTfjs = tfjsProblem() ?? false;
