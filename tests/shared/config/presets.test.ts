import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { presetNames, readPreset } from '#src/shared/config/presets.js';

describe('presets', () => {
  for (const name of presetNames()) {
    it(`${name} is a config with an expected result`, () => {
      const { options, expected } = readPreset(name);
      const { config } = resolveTrainConfig({ flags: { preset: name }, env: {} });
      for (const [key, value] of Object.entries(options)) assert.equal(config[key as keyof typeof config], value, key);
      assert.match(expected.weightsSha256, /^[0-9a-f]{64}$/);
      assert.ok(expected.testAccuracy > 0.98 && expected.testAccuracy < 1);
    });
  }

  it('give way to the file, the variables and the flags, and are named by variable too', () => {
    const { config } = resolveTrainConfig({
      flags: { seed: 2 },
      env: { LOCKSTEP_PRESET: 'quick', LOCKSTEP_BATCH: '64' },
    });
    assert.deepEqual([config.iterations, config.batch, config.seed], [1000, 64, 2]);
    assert.throws(() => resolveTrainConfig({ flags: { preset: 'slow' }, env: {} }), /no preset "slow".*lenet5.*quick/);
  });
});
