// The scripts of deploy/slurm, as far as they can be checked without Slurm.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SCRIPTS } from './scripts.ts';

describe('the scripts for Slurm', () => {
  for (const [name, path] of Object.entries(SCRIPTS)) {
    it(`${name} is a script of bash`, () => {
      const { status, stderr } = spawnSync('bash', ['-n', path], { encoding: 'utf8' });
      assert.deepEqual([status, stderr], [0, '']);
    });

    const hasShellcheck = spawnSync('shellcheck', ['--version']).status === 0;
    if (hasShellcheck) {
      it(`${name} has no fault that shellcheck knows`, () => {
        const { status, stdout } = spawnSync('shellcheck', [path], { encoding: 'utf8' });
        assert.equal(status, 0, stdout);
      });
    }

    it(`${name} ends without a run directory, and says so`, () => {
      const { PATH } = process.env;
      const { status, stderr } = spawnSync('bash', [path], { encoding: 'utf8', env: { PATH } });
      assert.notEqual(status, 0);
      assert.match(stderr, /RUN: expected the run directory/);
    });
  }
});

describe('the address that the script of a run leaves', () => {
  const BEFORE = 'ws://another:20001\n';

  for (const [code, before, left] of [
    [75, BEFORE, BEFORE],
    [75, undefined, undefined],
    [1, BEFORE, undefined],
    [0, undefined, undefined],
  ] as const) {
    it(`is ${left ? 'the one before' : 'none'} after exit code ${code} ${before ? 'beside' : 'without'} one`, (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'lockstep-sbatch-'));
      t.after(() => rmSync(folder, { recursive: true }));
      const run = join(folder, 'run');
      const program = join(folder, 'program');
      // `token --out FILE`, then `train …`, which waits until the address is published.
      const waits = `until grep -qs "$HOSTNAME:" ${run}.address; do :; done`;
      writeFileSync(program, `[ "$1" = train ] || { echo secret >"$3"; exit; }\n${waits}\nexit ${code}\n`);
      if (before !== undefined) writeFileSync(`${run}.address`, before);
      const slurm = { SLURM_JOB_ID: '7', SLURM_JOB_NUM_NODES: '1', SLURM_JOB_NODELIST: 'here' };
      const env = { PATH: process.env.PATH, RUN: run, PROGRAM: `bash ${program}`, ...slurm };
      const { status, stderr } = spawnSync('bash', [SCRIPTS.run], { encoding: 'utf8', env });
      assert.equal(status, code, stderr);
      const address = existsSync(`${run}.address`) ? readFileSync(`${run}.address`, 'utf8') : undefined;
      assert.equal(address, left);
    });
  }
});
