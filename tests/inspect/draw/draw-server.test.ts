import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { ListenError } from '#src/shared/util/errors.js';
import { lockstep } from '../../support/program.ts';
import { takenPort } from '../../support/taken-port.ts';
import { serve } from './serve.ts';

test('an explicit port that is taken is an error, a default one moves', async (t) => {
  const port = await takenPort(t);
  await assert.rejects(serve('softmax', port, true), ListenError);
  const server = await serve('softmax', port);
  assert.notEqual(new URL(server.url).port, String(port));
  await server.close();
});

test('draw refuses what is no port, and says what to run where there is no model', () => {
  const bad = lockstep(['draw', '--port', '70000'], { cwd: tmpdir() });
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /--port: expected 0 \(any\) to 65535, but got 70000/);
  const none = lockstep(['draw'], { cwd: tmpdir() });
  assert.equal(none.status, 2);
  assert.match(none.stderr, /main\.js train/);
});
