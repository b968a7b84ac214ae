import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runtimeName } from '#src/inspect/features/runtime.js';

/** For tests of the features of frozen networks: false, or why they are skipped. */
export const skipFeatures = await runtimeName().then(
  () => false as const,
  (error: Error) => error.message,
);

if (process.env.CI === 'true') {
  it('has the runtime of frozen networks', () => assert.equal(skipFeatures, false));
}
