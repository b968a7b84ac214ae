import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { readPreset } from '#src/shared/config/presets.js';
import { DATA, lockstep } from '../support/program.ts';
import { skip } from '../support/real-images.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-presets-'));
after(() => rmSync(folder, { recursive: true }));

it('the preset quick gives the expected bits on MNIST, and prints that', { skip }, () => {
  const out = join(folder, 'quick');
  const flags = ['--metrics-port', 'off', '--workers', '2', '--json', '--out', out, ...DATA];
  const { status, stdout, stderr } = lockstep(['train', '--preset', 'quick', ...flags]);
  assert.equal(status, 0, stderr);
  const { weightsSha256, testAccuracy } = JSON.parse(stdout);
  assert.deepEqual(readPreset('quick').expected, { weightsSha256, testAccuracy });
  assert.match(stderr, /^These are the bits that configs\/quick\.json expects\.$/m);
});
