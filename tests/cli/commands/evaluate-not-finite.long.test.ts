import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encodeCheckpoint } from '#src/shared/checkpoint/checkpoint.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../../support/models.ts';
import { lockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-evaluate-'));
after(() => rmSync(folder, { recursive: true }));
const layout = layoutOf(lenet5('softmax'));

/** A checkpoint whose weights are all 0, one excepted. */
function checkpointWith(weight: number): string {
  const file = join(folder, `${weight}.safetensors`);
  const weights = new Float32Array(layout.parameters).fill(weight, 7, 8);
  const optimizer = { m: new Float32Array(layout.parameters), v: undefined };
  const digests = { dataset: 'a'.repeat(64), numerics: 'b'.repeat(64) };
  const config = { head: 'softmax' };
  writeFileSync(file, encodeCheckpoint({ layout, weights, optimizer, step: 1, config, digests, optimizerName: 'sgd' }));
  return file;
}

for (const weight of [Number.NaN, Number.POSITIVE_INFINITY]) {
  test(`evaluate of a weight that is ${weight} fails, and says so`, () => {
    for (const flags of [[], ['--json']]) {
      const file = checkpointWith(weight);
      const { status, stdout, stderr } = lockstep(['evaluate', file, '--data', 'synthetic', ...flags]);
      assert.equal(status, 1, stderr);
      assert.match(stderr, /The weights of .*safetensors, or their loss, aren't finite: these figures mean nothing/);
      if (flags.length > 0) assert.equal(JSON.parse(stdout).notFinite, true);
    }
  });
}

test('evaluate of finite weights says nothing of it', () => {
  const { status, stdout } = lockstep(['evaluate', checkpointWith(0.5), '--data', 'synthetic', '--json']);
  assert.deepEqual([status, Object.hasOwn(JSON.parse(stdout), 'notFinite')], [0, false]);
});
