// The scripts of deploy/slurm, as far as they can be checked without Slurm.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
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
