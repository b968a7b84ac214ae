import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkData } from '#src/cli/doctor/surroundings.js';
import { checkTfjs } from '#src/cli/doctor/tfjs.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { skipTfjs } from '../../shared/engine/tfjs/available.ts';
import { DATA, lockstep } from '../../support/program.ts';
import { skip as skipImages } from '../../support/real-images.ts';

describe('doctor looks at', () => {
  test('native TensorFlow that works', { skip: skipTfjs }, async () => {
    const { status, found } = await checkTfjs('kernel');
    assert.equal(status, 'ok');
    assert.match(found, /backend tensorflow, tfjs-node 4\.22\.0, .*the kernel's to/);
  });

  test('data that is there', { skip: skipImages }, async () => {
    const { status, found } = await checkData(resolveTrainConfig({ flags: {}, env: {} }), {
      MNIST_DIR: process.env.MNIST_DIR,
    });
    assert.equal(status, 'ok');
    assert.match(found, /^mnist, 60,000 training .* in 10 classes, SHA-256 .*from \$MNIST_DIR.*right SHA-256/);
  });
});

test('lockstep doctor is content if all is well', { skip: skipImages }, () => {
  const { status, stdout } = lockstep(['doctor', ...DATA, '--metrics-port', 'off']);
  assert.doesNotMatch(stdout, /^problem/m);
  assert.match(stdout, /\nTraining works here\. Next: \S+ \S+main\.js train\n$/);
  assert.equal(status, 0);
});
