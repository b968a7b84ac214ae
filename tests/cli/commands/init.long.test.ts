import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockstep } from '../../support/program.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lockstep-init-'));
after(() => rmSync(folder, { recursive: true }));

test('writes a project that compiles, trains and predicts', () => {
  const project = join(folder, 'My Rings');
  const { status, stdout } = lockstep(['init', project]);
  assert.equal(status, 0);
  assert.match(stdout, /npm install\n {2}npm start/);
  const { name, dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  assert.equal(name, 'my-rings');
  assert.match(dependencies.lockstep, /^\^\d+\.\d+\.\d+$/);
  assert.ok(readdirSync(project).includes('.gitignore'));
  for (const file of ['rules.yaml', 'alerts.yaml', 'prometheus.yaml', 'grafana/runs.json']) {
    assert.ok(readFileSync(join(project, 'monitoring', file)).length > 100, file);
  }
  // As npm install would.
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(ROOT, join(project, 'node_modules', 'lockstep'));
  for (const name of ['typescript', '@types/node']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  }
  const own = { cwd: project, encoding: 'utf8' } as const;
  // What `npm pack` writes of types.
  execFileSync(process.execPath, [join(ROOT, 'tools/declare.js')]);
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc')], own);
  // The port may be another program's.
  const built = join(project, 'build', 'train.js');
  writeFileSync(built, readFileSync(built, 'utf8').replace('metricsPort: 9464', 'metricsPort: 0'));
  const output = execFileSync(process.execPath, [built], own);
  assert.match(output, /step 2000: (9\d|100)\.\d % of the test points/);
  assert.match(output, /The point \(0\.5, 0\) is of the middle ring, by (9\d|100)\.\d %\./);
});

test('refuses a folder that holds anything but an empty repository', () => {
  const filled = join(folder, 'filled');
  mkdirSync(filled);
  writeFileSync(join(filled, 'notes.txt'), '');
  const { status, stderr } = lockstep(['init', filled]);
  assert.equal(status, 2);
  assert.match(stderr, /isn't empty \(it holds notes\.txt\)\. Name a new folder/);
  assert.deepEqual(readdirSync(filled), ['notes.txt']);
  const repository = join(folder, 'repository');
  cpSync(join(folder, 'filled'), repository, { recursive: true });
  rmSync(join(repository, 'notes.txt'));
  mkdirSync(join(repository, '.git'));
  assert.equal(lockstep(['init', repository]).status, 0);
});
