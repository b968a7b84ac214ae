import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-model-'));
after(() => rmSync(folder, { recursive: true }));

function written(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(content));
  return file;
}

describe('lockstep model', () => {
  it('lists the presets', () => {
    const { status, stdout } = lockstep(['model', '--json']);
    const names = JSON.parse(stdout).map(({ name }: { name: string }) => name);
    assert.deepEqual([status, names], [0, ['lenet5', 'lenet5-relu', 'mlp', 'vgg-small', 'resnet8', 'resnet20']]);
  });

  it('says what a network is and takes, and draws it', () => {
    const svg = join(folder, 'drawing.svg');
    const { status, stdout } = lockstep(['model', 'resnet8', '--svg', svg]);
    assert.equal(status, 0);
    assert.match(stdout, /^block2 +sum of block2\.b\.norm, block2\.shortcut\.norm +32@16x16 +0 +0$/m);
    assert.match(stdout, /^parameters +78,042$/m);
    assert.match(stdout, /^memory +\d+\.\d MiB a thread, in shards of 8$/m);
    assert.match(stdout, /^speed +[\d,]+ samples\/s on one thread, measured here$/m);
    assert.match(readFileSync(svg, 'utf8'), /^<svg xmlns="[^"]+" .*<style>.*block2\.shortcut.*<\/svg>$/s);
  });

  it('takes a file, whose last layer and input follow from the data', () => {
    const file = written('mine.json', {
      name: 'mine',
      layers: [{ kind: 'dense', units: 5 }, { kind: 'relu' }, { kind: 'dense' }],
    });
    const { status, stdout } = lockstep(['model', file, '--data', 'synthetic', '--json']);
    const { input, classes, parameters, fits, spec } = JSON.parse(stdout);
    assert.equal(status, 0);
    assert.deepEqual(input, { maps: 1, height: 28, width: 28 });
    assert.deepEqual(
      [classes, parameters, fits],
      [10, 785 * 5 + 6 * 10, ['mnist', 'fashion-mnist', 'kmnist', 'synthetic']],
    );
    assert.deepEqual(spec.layers[1], { kind: 'relu', name: 'relu2', inputs: ['dense1'] });
  });

  it('prints the schema of specs', () => {
    const { properties } = JSON.parse(lockstep(['model', '--schema']).stdout);
    assert.deepEqual(Object.keys(properties), ['name', 'input', 'layers', 'head', 'decay', 'initialization']);
  });

  for (const [what, args, message] of [
    ['a name that is none', ['resnet9'], /resnet9/],
    [
      'an unknown layer',
      [written('gelu.json', { name: 'x', layers: [{ kind: 'gelu', name: 'g' }] })],
      /the layer g is of the unknown kind .*gelu/,
    ],
    [
      'a million layers',
      [written('long.json', { name: 'x', layers: new Array(1_000_000).fill(0) })],
      /it has 2000023 bytes; 1048576 are the most/,
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      const { status, stdout, stderr } = lockstep(['model', ...args]);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, message);
    });
  }
});
