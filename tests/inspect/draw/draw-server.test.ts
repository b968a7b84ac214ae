import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ListenError } from '#src/shared/util/errors.js';
import { lenet5 } from '../../support/models.ts';
import { lockstep } from '../../support/program.ts';
import { takenPort } from '../../support/taken-port.ts';
import { serve } from './serve.ts';

test('an explicit port that is taken is an error, a default one moves', async (t) => {
  const port = await takenPort(t);
  await assert.rejects(serve(lenet5('softmax'), port, true), ListenError);
  const server = await serve(lenet5('softmax'), port);
  assert.notEqual(new URL(server.url).port, String(port));
  await server.close();
});

test('draw refuses what is no port, and says what to run where there is no model', (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'lockstep-no-runs-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const bad = lockstep(['draw', '--port', '70000'], { cwd });
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /--port: expected 0 \(any\) to 65535, but got 70000/);
  const none = lockstep(['draw'], { cwd });
  assert.equal(none.status, 2);
  assert.match(none.stderr, /main\.js train/);
});
