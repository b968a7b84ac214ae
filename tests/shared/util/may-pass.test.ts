import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { getSystemErrorName } from 'node:util';
import {
  CheckpointError,
  ListenError,
  type LockstepError,
  MemoryError,
  NotFiniteError,
  RunDirectoryError,
  RunLockError,
  UsageError,
  WriteError,
} from '#src/shared/util/errors.js';
import { mayPass, statusMayPass } from '#src/shared/util/may-pass.js';

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: as the system says it`), { code });
}

describe('what may pass', () => {
  for (const code of ['ENOSPC', 'EROFS', 'EIO', 'ENOTFOUND', 'ECONNREFUSED', 'EADDRINUSE']) {
    test(code, () => {
      assert.ok(mayPass(systemError(code)));
      assert.ok(mayPass(new Error('fetch failed', { cause: new Error('and why', { cause: systemError(code) }) })));
      assert.ok(mayPass(new AggregateError([systemError('ENOENT'), systemError(code)])));
    });
  }

  test('is not what stays', () => {
    for (const code of ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'ELOOP', 'CERT_HAS_EXPIRED']) {
      assert.ok(!mayPass(systemError(code)), code);
    }
    assert.ok(!mayPass(new AggregateError([systemError('ENOENT'), new Error('other bytes')])));
    for (const other of [undefined, null, 'ENOSPC', { code: 'ENOSPC' }]) assert.ok(!mayPass(other));
  });

  const skip = process.platform === 'linux' ? false : 'the numbers are those of Linux';
  test('are errors that Node has no names for', { skip }, () => {
    for (const number of [constants.errno.EDQUOT, constants.errno.ESTALE]) {
      assert.ok(mayPass(systemError(getSystemErrorName(-number))), `${number}`);
    }
  });

  test('is a full disk', { skip: existsSync('/dev/full') ? false : 'there is no /dev/full here' }, async () => {
    const file = await open('/dev/full', 'w');
    await assert.rejects(file.write('text'), mayPass).finally(() => file.close());
  });

  test('are some answers of a server', () => {
    assert.deepEqual([408, 429, 500, 503].filter(statusMayPass), [408, 429, 500, 503]);
    assert.deepEqual([301, 401, 403, 404, 407, 410].filter(statusMayPass), []);
  });
});

describe('the exit code', () => {
  const cases: readonly (readonly [string, LockstepError, number])[] = [
    ['a path that is a file', new RunDirectoryError('', { cause: systemError('ENOTDIR') }), 2],
    ['a full disk at the start', new RunDirectoryError('', { cause: systemError('ENOSPC') }), 75],
    ['a disk that was read-only to the end', new WriteError('', { cause: systemError('EROFS') }), 75],
    ['a directory that was removed', new WriteError('', { cause: systemError('ENOENT') }), 1],
    ['a damaged checkpoint', new CheckpointError(''), 2],
    ['a checkpoint that nobody may read', new CheckpointError('', { cause: systemError('EACCES') }), 2],
    ['a checkpoint on a failing disk', new CheckpointError('', { cause: systemError('EIO') }), 75],
    ['an address in use', new ListenError('', { cause: systemError('EADDRINUSE') }), 75],
    ['an address that nobody may take', new ListenError('', { cause: systemError('EACCES') }), 2],
    ['a lock that is held', new RunLockError('', { isTemporary: true }), 75],
    ['a lock that was lost', new RunLockError('', { lost: true }), 1],
    ['a lock that nobody can read', new RunLockError(''), 2],
    ['a limit on memory', new MemoryError(''), 2],
    ['a run that diverges', new NotFiniteError('', { step: 1 }), 3],
    ['a file of options that is missing', new UsageError('', { cause: systemError('ENOENT') }), 2],
  ];
  for (const [what, error, exitCode] of cases) test(what, () => assert.equal(error.exitCode, exitCode));
});
