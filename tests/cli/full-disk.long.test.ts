import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
// The environment without the variables that npm and the caller's shell set for the tests themselves.
const cleanEnv = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };

// /dev/full is a device of Linux that is always full.
describe('a full disk', { skip: existsSync('/dev/full') ? false : 'there is no /dev/full here' }, () => {
  for (const [stream, index] of [
    ['stdout', 1],
    ['stderr', 2],
  ] as const) {
    test(`under ${stream}`, (t) => {
      const full = openSync('/dev/full', 'w');
      t.after(() => closeSync(full));
      const args = [
        main,
        'train',
        '--data',
        'synthetic',
        '--iterations',
        '2',
        '--workers',
        '1',
        '--metrics-port',
        'off',
        '--json',
      ];
      const out = mkdtempSync(join(tmpdir(), 'lockstep-full-'));
      t.after(() => rmSync(out, { recursive: true }));
      const stdio = (['ignore', 'pipe', 'pipe'] as (number | 'ignore' | 'pipe')[]).with(index, full);
      const { status, stdout, stderr } = spawnSync(process.execPath, [...args, '--out', join(out, 'run')], {
        encoding: 'utf8',
        env: cleanEnv,
        stdio,
      });
      assert.ok(existsSync(join(out, 'run', 'checkpoints', 'step-00000002.safetensors')), stderr);
      assert.equal(status, stream === 'stdout' ? 1 : 0);
      if (stream === 'stderr') assert.equal(JSON.parse(stdout).steps, 2);
      else assert.match(stderr, /\nStandard output can't be written: ENOSPC[^\n]*\n$/);
    });
  }
});
