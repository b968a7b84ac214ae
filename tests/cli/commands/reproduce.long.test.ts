import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-reproduce-'));
after(() => rmSync(folder, { recursive: true }));

// The run's own data set is found by its name, whatever the reader has.
const at = (args: readonly string[]) => lockstep(args, { cwd: folder, more: { MNIST_DIR: '' } });
const DATA = ['--data', 'synthetic'];
const SHORT = [...DATA, '--batch', '16', '--workers', '1', '--metrics-port', 'off', '--checkpoint-every', '20'];

before(() => {
  const { status, stderr } = at(['train', ...SHORT, '--iterations', '60', '--out', 'first']);
  assert.equal(status, 0, stderr);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  writeFileSync(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(join(folder, 'key.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
});

describe('lockstep reproduce', () => {
  it('trains a run again, on other workers, and exits with 1 at a difference', () => {
    const { status, stdout, stderr } = at(['reproduce', 'first', '--workers', '2']);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /recomputed {2}3 of 3 spans, 60 of 60 steps \(100 %\), with 2 workers/);
    const part = at(['reproduce', 'first', '--steps', '10', '--json']);
    assert.deepEqual([part.status, JSON.parse(part.stdout).recomputed.steps], [0, 20]);
    execFileSync('cp', ['-r', 'first', 'altered'], { cwd: folder });
    const log = join(folder, 'altered', 'steps.jsonl');
    const lines = readFileSync(log, 'utf8').split('\n');
    const line = { ...JSON.parse(lines[24] ?? ''), accuracy: 1 };
    writeFileSync(log, lines.with(24, JSON.stringify(line)).join('\n'));
    const altered = at(['reproduce', 'altered']);
    assert.equal(altered.status, 1, altered.stderr);
    assert.match(altered.stdout, /steps 21 to 40: DIFFER first at step 25: accuracy is 1, computed /);
    assert.doesNotMatch(altered.stdout, /steps 41/);
  });

  it('checks a receipt, and computes it again from nothing but the receipt and the data', () => {
    const made = at(['receipt', 'first', '--sign', 'key.pem', '--out', 'first.json']);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stderr, /Other users can read .*key\.pem/);
    const again = at(['receipt', 'first', '--sign', 'key.pem']);
    assert.equal(again.stdout, readFileSync(join(folder, 'first.json'), 'utf8'));
    const valid = at(['reproduce', 'first.json', '--validate', '--key', 'key.pub', '--with', 'first']);
    assert.equal(valid.status, 0, valid.stdout + valid.stderr);
    assert.match(valid.stdout, /signature {3}by SHA256:.*\n.*first\n {2}the same\n/);
    cpSync(join(folder, 'first'), join(folder, 'runs', 'copied'), { recursive: true });
    for (const named of ['copied', 'latest']) {
      const below = at(['reproduce', 'first.json', '--validate', '--with', named]);
      assert.match(below.stdout, /runs\/copied\n {2}the same\n/, below.stderr);
    }
    const computed = at(['reproduce', 'first.json', ...DATA, '--workers', '3', '--json']);
    assert.equal(computed.status, 0, computed.stderr);
    assert.deepEqual(JSON.parse(computed.stdout).recomputed, { from: 0, to: 60, workers: 3, differences: [] });
    const part = at(['reproduce', 'first.json', ...DATA, '--steps', '15', '--with', 'first']);
    assert.match(part.stdout, /recomputed {2}steps 41 to 60, with \d+ workers?\n {2}the same\n/);
    assert.equal(part.status, 0, part.stderr);
  });

  it('exits with 1 for a receipt that was changed, and with 2 for what is none', () => {
    const text = readFileSync(join(folder, 'first.json'), 'utf8');
    writeFileSync(join(folder, 'changed.json'), text.replace('"seed":1', '"seed":2'));
    const changed = at(['reproduce', 'changed.json', '--validate']);
    assert.equal(changed.status, 1, changed.stderr);
    assert.match(changed.stdout, /itself {6}DIFFERS: it has the hash/);
    for (const args of [
      ['key.pem', '--validate'],
      ['nowhere', '--validate'],
      ['first', '--validate'],
      ['first', '--steps', '0'],
      ['first.json', '--steps', '5'],
      ['first.json', '--validate', '--steps', '5'],
      ['first.json', '--validate', '--key', 'key.json'],
      ['first.json', '--data', folder],
    ]) {
      const { status, stderr } = at(['reproduce', ...args]);
      assert.equal(status, 2, `${args}: ${stderr}`);
    }
  });

  it('writes no receipt over another file, nor of a run that is not over', () => {
    for (const out of ['key.pem', 'first/run.json'])
      assert.equal(at(['receipt', 'first', '--out', out]).status, 2, out);
    assert.equal(at(['receipt', 'first', '--out', 'first.json']).status, 0);
    execFileSync('cp', ['-r', 'first', 'running'], { cwd: folder });
    const file = join(folder, 'running', 'run.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"finished"', '"running"'));
    const { status, stderr } = at(['receipt', 'running']);
    assert.equal(status, 2);
    assert.match(stderr, /has no result: it is running/);
  });
});
