// The bits of a run whose parts are computed by different code: WebAssembly and each native kernel that this processor runs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { DATA, DATA_OF_NODE, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-kernels-'));
const programs: Program[] = [];
after(async () => {
  for (const { signal } of programs) signal('SIGKILL');
  await Promise.all(programs.map(({ ended }) => ended));
  rmSync(folder, { recursive: true });
});

// The learning rate doesn't depend on the number of steps, so that a run can be made longer.
const HALF = 30;
const FLAGS = [
  '--schedule',
  'constant',
  '--warmup',
  '0',
  '--evaluate-every',
  `${HALF}`,
  '--workers',
  '2',
  '--metrics-port',
  'off',
  '--json',
  ...DATA,
];

/** @returns the weights' hash, and the line on stderr that tells of the training */
function train(args: readonly string[]): { readonly hash: string; readonly first: string } {
  const { status, stdout, stderr } = lockstep(['train', ...FLAGS, ...args]);
  assert.equal(status, 0, stderr);
  const first = stderr.split('\n').find((line) => line.startsWith('Training ')) ?? '';
  return { hash: JSON.parse(stdout).weightsSha256, first };
}

const out = (name: string): string => join(folder, name);
const whole = train(['--kernel', 'wasm', '--iterations', `${2 * HALF}`, '--out', out('whole')]);

it('WebAssembly is used if it is asked for', () => assert.match(whole.first, /2 worker threads, seed/));

describe('the bits of a run', () => {
  for (const target of nativeTargets()) {
    for (const [before, then] of [
      ['wasm', target],
      [target, 'wasm'],
    ] as const) {
      it(`are the same if ${before} begins it, ${then} ends it, and ${before} verifies it`, () => {
        const run = out(`${before}-${then}`);
        const half = train(['--kernel', before, '--iterations', `${HALF}`, '--out', run]);
        const all = train(['--kernel', then, '--iterations', `${2 * HALF}`, '--resume', run]);
        assert.equal([half, all].filter(({ first }) => first.includes(`(${target})`)).length, 1);
        assert.equal(all.hash, whole.hash);
        assert.deepEqual(stepsOf(run), stepsOf(out('whole')));
        const { status, stderr } = lockstep(['verify', run, '--kernel', before, '--all', ...DATA]);
        assert.equal(status, 0, stderr);
      });
    }

    it(`are the same by nodes of ${target} and of wasm`, { timeout: 300_000 }, async () => {
      const listen = ['--workers', '0', '--listen', '127.0.0.1:0', '--out', out(`${target}-nodes`)];
      const coordinator = startLockstep(['train', ...FLAGS, '--iterations', `${2 * HALF}`, ...listen]);
      programs.push(coordinator);
      const url = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
      const node = ['worker', '--connect', url, '--threads', '1', ...DATA_OF_NODE];
      for (const kernel of ['wasm', target]) programs.push(startLockstep([...node, '--kernel', kernel]));
      const { status, stdout, stderr } = await coordinator.ended;
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).weightsSha256, whole.hash);
    });
  }
});

it('a kernel that this machine lacks is a usage error', () => {
  const lacking = (['avx2', 'avx512'] as const).find((target) => !nativeTargets().includes(target));
  const { status, stderr } = lockstep(['train', '--kernel', lacking ?? 'neon']);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /auto, wasm/);
});
