import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tfjsProblem } from '#src/shared/engine/tfjs/load.js';

/** For tests of native TensorFlow: false, or why they are skipped. */
export const skipTfjs = tfjsProblem() ?? false;

if (process.env.CI === 'true') {
  it('has native TensorFlow', () => assert.equal(skipTfjs, false));
}
