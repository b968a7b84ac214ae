import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { decode } from 'fast-png';
import { SYNTHETIC_SHA256 } from '#src/shared/data/sources/synthetic.js';
import { BYTES, FILES } from '../../support/made-set.ts';
import { lockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-data-'));
after(() => rmSync(folder, { recursive: true }));

it('says what a data set is, draws its samples and packs it', () => {
  const [sheet, packed] = [join(folder, 'samples.png'), join(folder, 'digits.safetensors')];
  const { status, stdout } = lockstep(['data', 'synthetic', '--out', sheet, '--pack', packed, '--json']);
  assert.equal(status, 0);
  const { name, sha256, samples, classes, models, duplicates } = JSON.parse(stdout);
  assert.deepEqual([name, sha256, samples], ['synthetic', SYNTHETIC_SHA256, { train: 60_000, test: 10_000 }]);
  const total = (part: 'train' | 'test'): number =>
    classes.reduce((sum: number, each: Record<typeof part, number>) => sum + each[part], 0);
  assert.deepEqual([classes.length, total('train'), total('test')], [10, 60_000, 10_000]);
  assert.ok(models.includes('lenet5') && models.includes('resnet8'));
  assert.deepEqual(duplicates, { train: 0, test: 0, leaked: 0, contradicting: 0 });
  const { width, height } = decode(readFileSync(sheet));
  assert.deepEqual([width, height], [578, 578]);

  const again = lockstep(['data', packed]);
  assert.match(
    again.stdout,
    new RegExp(`^data +synthetic\ndigest +${SYNTHETIC_SHA256}\nsamples +60,000 for training`, 'm'),
  );
  assert.match(again.stdout, /^9 +[\d,]+ +\d+\.\d\d % +[\d,]+ +#+$/m);
});

it('names only models that suit a table, which pictures have more of', () => {
  const table = join(folder, 'table.csv');
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${i % 5},${i % 3},${i % 2 === 0 ? 'even' : 'odd'}`);
  writeFileSync(table, `a,b,c,kind\n${rows.join('\n')}\n`);
  const { status, stdout, stderr } = lockstep(['data', table, '--target', 'kind', '--json']);
  assert.equal(status, 0, stderr);
  const { models, maps } = JSON.parse(stdout);
  assert.deepEqual([maps.length, models], [3, ['mlp']]);
});

it('shows the licence that dataset.json has', () => {
  const own = join(folder, 'letters');
  mkdirSync(own);
  for (const [i, { name }] of FILES.entries()) writeFileSync(join(own, name), BYTES[i] as Buffer);
  const [train, test] = [
    { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
    { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
  ];
  writeFileSync(join(own, 'dataset.json'), JSON.stringify({ licence: 'CC0 1.0', train, test }));
  const packed = join(folder, 'letters.safetensors');
  for (const args of [[own, '--pack', packed], [packed]]) {
    const { status, stdout, stderr } = lockstep(['data', ...args]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^licence {5}CC0 1\.0$/m);
    assert.match(stderr, /^Data: letters, 5 training .*, licence: CC0 1\.0\.$/m);
  }
});

it('names what is wrong with a source', () => {
  const { status, stderr } = lockstep(['data', join(folder, 'nothing')]);
  assert.equal(status, 2);
  assert.match(stderr, /nothing, doesn't exist/);
});
