import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockstep, startLockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-token-command-'));
after(() => rmSync(folder, { recursive: true }));

describe('lockstep token --out', () => {
  it('writes a new token into a file that only its owner can read, and prints it nowhere', () => {
    const { status, stdout, stderr } = lockstep(['token', '--out', 'token'], { cwd: folder });
    assert.equal(status, 0, stderr);
    const text = readFileSync(join(folder, 'token'), 'utf8');
    assert.match(text, /^[\w-]{43}$/);
    assert.equal(statSync(join(folder, 'token')).mode & 0o777, 0o600);
    assert.equal(stdout, '');
    assert.equal(stderr.includes(text.trim()), false);
  });

  it('refuses a file that exists, and follows no link', () => {
    const before = readFileSync(join(folder, 'token'), 'utf8');
    symlinkSync(join(folder, 'token'), join(folder, 'link'));
    for (const out of ['token', 'link']) {
      const { status, stderr } = lockstep(['token', '--out', out], { cwd: folder });
      assert.equal(status, 2);
      assert.match(stderr, /expected the name of a new file/);
    }
    assert.equal(readFileSync(join(folder, 'token'), 'utf8'), before);
  });
});

it('a token file that others can read draws a warning in `lockstep worker`', () => {
  const args = ['worker', '--connect', 'ws://127.0.0.1:1', '--tls-ca', '/none', '--token-file'];
  assert.doesNotMatch(lockstep([...args, 'token'], { cwd: folder }).stderr, /Other users can read/);
  const shared = join(folder, 'shared');
  lockstep(['token', '--out', shared]);
  chmodSync(shared, 0o644);
  assert.match(lockstep([...args, shared]).stderr, /Other users can read .*shared, which holds a secret/);
});

it('LOCKSTEP_TOKEN_FILE names the token of `lockstep worker`, too', async () => {
  const none = join(folder, 'none');
  const program = startLockstep(['worker', '--connect', 'ws://127.0.0.1:9'], { LOCKSTEP_TOKEN_FILE: none });
  await program.said(/^No connection|can't be read/);
  program.signal('SIGKILL');
  const { stderr } = await program.ended;
  assert.match(stderr, /^The token file .*none can't be read/);
});
