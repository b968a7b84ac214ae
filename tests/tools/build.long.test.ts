import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const copy = join(mkdtempSync(join(tmpdir(), 'lockstep-build-')), 'checkout');
after(() => rmSync(copy, { recursive: true }));

function build() {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['tools/build.js'], { cwd: copy, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

test('a build says what it builds and how much is left, and nothing if all is up to date', () => {
  cpSync(root, copy, { recursive: true, filter: (path) => !['node_modules', '.git'].includes(basename(path)) });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  build();
  for (const part of ['kernel', 'copies']) rmSync(join(copy, 'dist', `.${part}.digest`));
  const { stdout, stderr } = build();
  assert.equal(stdout, '');
  assert.match(stderr, /^Building… 1 of 2: the kernel in WebAssembly\nBuilding… 2 of 2: the pages\n$/);
  assert.deepEqual(build(), { stdout: '', stderr: '' });
});
