// A coordinator that is killed while its log is rotated and compressed, and resumed.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockstep } from '../support/program.ts';
import { BITS, disturb, type Kill, undisturbed } from './coordinator.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-rotation-'));
after(() => rmSync(folder, { recursive: true }));

const SMALL_PARTS = fileURLToPath(new URL('../support/small-parts.js', import.meta.url));
const data = process.env.MNIST_DIR ?? 'synthetic';
const expected = await undisturbed(folder, { data, imports: [SMALL_PARTS] });

const parts = (run: string): string[] => readdirSync(run).filter((name) => /^steps\.\d/.test(name));

function assertVerified(run: string): void {
  const verified = lockstep(['verify', run, '--spans', '1', '--workers', '2', '--data', data]);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  assert.match(verified.stdout, new RegExp(`^log {9}${BITS.iterations} steps, none missing$`, 'm'));
  const compared = lockstep(['diff', expected.run, run]);
  assert.deepEqual([compared.status, compared.stdout], [0, `The same bits for all ${BITS.iterations} steps.\n`]);
}

it('a log rotates several times, each part after it was synced, and is compressed', () => {
  assert.ok(parts(expected.run).length >= 3, parts(expected.run).join());
  assert.equal(expected.steps.length, BITS.iterations);
  const [compressed] = parts(expected.run);
  assert.equal(compressed, 'steps.00000001.jsonl.gz');
  const { operations } = expected;
  const rotation = operations.indexOf('rename steps.jsonl');
  const logBefore = operations.slice(0, rotation).filter((each) => each.endsWith('steps.jsonl'));
  assert.equal(logBefore.at(-1), 'sync steps.jsonl');
  const own = new Set(operations.filter((each) => each.includes('steps.00000001.jsonl')));
  assert.deepEqual(
    [...own],
    [
      'writeFile steps.00000001.jsonl.gz.tmp',
      'sync steps.00000001.jsonl.gz.tmp',
      'rename steps.00000001.jsonl.gz.tmp',
      'rm steps.00000001.jsonl',
    ],
  );
  assertVerified(expected.run);
});

describe('a coordinator that is killed there and resumed ends with the same bits and the same log', () => {
  const kills: readonly Extract<Kill, { readonly moment: string }>[] = [
    { operation: 'rename steps.jsonl@1', moment: 'before' },
    { operation: 'rename steps.jsonl@2', moment: 'after' },
    { operation: 'writeFile steps.00000001.jsonl.gz.tmp@1', moment: 'middle' },
    { operation: 'sync steps.00000001.jsonl.gz.tmp@1', moment: 'after' },
    { operation: 'rename steps.00000002.jsonl.gz.tmp@1', moment: 'after' },
    { operation: 'rm steps.00000001.jsonl@1', moment: 'after' },
  ];
  for (const [index, kill] of kills.entries()) {
    it(`${kill.moment}: ${kill.operation}`, async () => {
      // The second one is killed at its own, if it comes so far.
      const schedule = {
        kills: [kill, { operation: 'rename steps.jsonl@1', moment: 'after' } as const],
        workers: [2, 1, 3],
      };
      const killed = await disturb(join(folder, String(index)), schedule, expected, assertVerified);
      assert.ok(killed > 0, 'it was never killed');
    });
  }
});

it('a run whose newest checkpoints are lost is cut inside a compressed part', () => {
  const run = join(folder, 'cut');
  cpSync(expected.run, run, { recursive: true });
  // What was left plain at the end of the run is compressed when it is resumed, or cut.
  for (const name of readdirSync(join(run, 'checkpoints'))) {
    if (Number.parseInt(name.slice(5), 10) > 100) rmSync(join(run, 'checkpoints', name));
  }
  const { result: _, ended: __, attempts, ...manifest } = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
  const [{ ended: ___, steps: ____, ...attempt }] = attempts;
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, state: 'running', attempts: [attempt] }));
  const before = parts(run);
  const { status, stderr } = lockstep(['train', '--resume', run, '--data', data, '--metrics-port', 'off']);
  assert.equal(status, 0, stderr);
  assert.doesNotMatch(stderr, /lacks/);
  assert.ok(parts(run).length < before.length, 'parts behind the step are gone');
  assertVerified(run);
});
