import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { lockstep, manifestOf } from '../../support/program.ts';

const TRAIN = ['train', '--data', 'synthetic', '--workers', '1', '--batch', '8', '--metrics-port', 'off'];
const SHORT = [...TRAIN, '--iterations', '1'];

describe('a run is named alike in every command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-run-arguments-'));
  after(() => rmSync(folder, { recursive: true }));

  before(() => {
    for (const name of ['first', 'second']) run([...SHORT, '--out', `runs/${name}`]);
  });

  function run(args: readonly string[]): string {
    const { status, stdout, stderr } = lockstep(args, { cwd: folder, more: { MNIST_DIR: '' } });
    assert.equal(status, 0, `${args.join(' ')}: ${stderr}`);
    return `${stdout}${stderr}`;
  }

  const ways = { 'its directory': 'runs/second', 'its name below runs/': 'second', latest: 'latest' };
  for (const [way, named] of Object.entries(ways)) {
    test(way, () => {
      assert.match(run(['evaluate', named]), /second/);
      assert.match(run(['verify', named]), /the same, bit for bit/);
      assert.match(run(['report', named, '--out', 'report.html']), /report\.html/);
      assert.match(
        run(['export', named, '--format', 'safetensors', '--out', `of-${basename(named)}-${way.length}.safetensors`]),
        /second/,
      );
      assert.match(run(['metrics', named, '--openmetrics']), /run="second"/);
      assert.match(run(['diff', named, 'runs/second']), /The same bits/);
      assert.match(run([...TRAIN.slice(0, -2), '--resume', named, '--metrics-port', 'off']), /second/);
    });

    test(`${way}, for weights`, () => {
      const out = join(folder, `from ${way.replace('/', '')}`);
      run([...SHORT, '--init', named, '--out', out]);
      const weights = JSON.parse(run(['evaluate', 'runs/second', '--json']).split('\n')[0] as string).weightsSha256;
      assert.equal(manifestOf(out).digests.init, weights);
    });
  }

  test('a folder that is no run gives way to the run of its name, a file and a run do not', () => {
    const path = join(folder, 'first');
    mkdirSync(path);
    assert.match(run(['evaluate', 'first']), /runs\/first/);
    rmSync(path, { recursive: true });
    writeFileSync(path, '');
    const { status, stderr } = lockstep(['evaluate', 'first'], { cwd: folder });
    assert.equal(status, 2);
    assert.doesNotMatch(stderr, /runs\/first/);
    rmSync(path);
    run([...SHORT, '--seed', '2', '--out', 'first']);
    assert.doesNotMatch(run(['evaluate', 'first']), /runs\/first/);
    rmSync(path, { recursive: true });
  });

  test('runs --remove takes a name, and latest for the newest run', () => {
    run(['runs', '--remove', 'latest']);
    assert.deepEqual(readdirSync(join(folder, 'runs')), ['first']);
    run(['runs', '--remove', 'first']);
    assert.deepEqual(readdirSync(join(folder, 'runs')), []);
  });
});
