import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-json-'));
after(() => rmSync(folder, { recursive: true }));

const TRAIN = ['train', '--data', 'synthetic', '--workers', '1', '--batch', '8', '--metrics-port', 'off'];

describe('--json=FILE', () => {
  it('holds what --json prints, which standard output then lacks', () => {
    const file = join(folder, 'result.json');
    const trained = lockstep([...TRAIN, '--iterations', '2', '--out', 'run', '--json=result.json'], { cwd: folder });
    assert.deepEqual([trained.status, trained.stdout], [0, ''], trained.stderr);
    const { weightsSha256, steps } = JSON.parse(readFileSync(file, 'utf8'));
    assert.equal(steps, 2);
    for (const args of [
      ['runs', folder],
      ['evaluate', join(folder, 'run')],
      ['predict', '--run', join(folder, 'run'), 'examples/seven.png'],
    ]) {
      const printed = lockstep([...args, '--json']);
      const written = lockstep([...args, `--json=${file}`]);
      assert.deepEqual([written.status, written.stdout], [0, ''], written.stderr);
      const shape = (text: string): string[] => Object.keys(JSON.parse(text));
      assert.deepEqual(shape(readFileSync(file, 'utf8')), shape(printed.stdout));
      if (args[0] === 'evaluate') assert.match(readFileSync(file, 'utf8'), new RegExp(weightsSha256));
    }
  });

  it('is not taken from the flag alone, which an argument may follow', () => {
    const { status, stdout } = lockstep(['evaluate', '--json', join(folder, 'run')]);
    assert.equal(status, 0);
    assert.equal(JSON.parse(stdout).step, 2);
  });

  it('is refused before the work begins if no result may be written there', () => {
    for (const [place, message] of [
      ['run/run.json', /--json: .* is a file of the run/],
      ['', /--json=: expected a file/],
      ['true', /--json=true: expected a file/],
    ] as const) {
      const { status, stderr } = lockstep([...TRAIN, '--out', 'other', `--json=${place}`], { cwd: folder });
      assert.equal(status, 2);
      assert.match(stderr, message);
      assert.ok(!existsSync(join(folder, 'other')));
    }
  });
});
