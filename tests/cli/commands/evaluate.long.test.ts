import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DATA, lockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-evaluate-'));
after(() => rmSync(folder, { recursive: true }));

function printed(...args: readonly string[]): string {
  const { status, stdout, stderr } = lockstep([...args, ...DATA]);
  assert.equal(status, 0, stderr);
  return stdout;
}

test('evaluate has the result of the run', () => {
  const run = join(folder, 'trained');
  const args = ['--iterations', '20', '--workers', '2', '--metrics-port', 'off', '--head', 'rbf', '--out', run];
  const trained = JSON.parse(printed('train', ...args, '--json'));
  const found = JSON.parse(printed('evaluate', run, '--json'));
  const { step, weightsSha256, testAccuracy, testLoss } = found;
  assert.deepEqual(
    { steps: step, weightsSha256, testAccuracy, testLoss },
    {
      steps: 20,
      weightsSha256: trained.weightsSha256,
      testAccuracy: trained.testAccuracy,
      testLoss: trained.testLoss,
    },
  );
  assert.equal(
    found.confusion.flat().reduce((sum: number, count: number) => sum + count),
    10_000,
  );
  const text = printed('evaluate', run);
  assert.match(text, /^step {8}20$/m);
  assert.ok(text.includes(`accuracy    ${(100 * testAccuracy).toFixed(2)} % of 10,000 test samples`), text);
});
