import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { packedPieces } from '#src/shared/data/pack.js';
import { lockstep } from '../../support/program.ts';
import { smallSet } from '../../support/small-set.ts';
import { chapterOf, textOf } from './written.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-other-targets-'));
after(() => rmSync(folder, { recursive: true }));

const SHAPE = { maps: 3, height: 10, width: 8 };

function run(...args: string[]): string {
  const { status, stdout, stderr } = lockstep(args, { cwd: folder });
  assert.equal(status, 0, stderr);
  return stdout;
}

for (const [head, kind, names] of [
  ['softmax', 'class', ['cat', 'dog', 'hen']],
  ['sigmoid', 'labels', ['odd', 'low']],
  ['mse', 'values', ['height', 'map']],
] as const) {
  test(`a run with the ${head} head is evaluated and reported, with its names`, () => {
    const { inputs, targets, count } = smallSet(SHAPE, names, 120, kind);
    const split = { inputs, targets, count };
    const contents = { ...SHAPE, classes: names.length, classNames: [...names], train: split, test: split };
    const [data, model] = [join(folder, `${head}.safetensors`), join(folder, `${head}.json`)];
    writeFileSync(data, Buffer.concat(packedPieces(contents)));
    const layers = [
      { name: 'conv', kind: 'conv', maps: 5, kernel: 3 },
      { kind: 'batch-norm' },
      { kind: 'relu' },
      { name: 'fc', kind: 'dense' },
    ];
    writeFileSync(model, JSON.stringify({ name: 'own', layers, head }));
    const usual = ['--workers', '1', '--metrics-port', 'off', '--batch', '16'];
    run('train', '--data', data, '--model', model, '--iterations', '60', '--out', head, ...usual);
    run('verify', head, '--data', data);
    const evaluation = JSON.parse(run('evaluate', head, '--data', data, '--json'));
    assert.equal(evaluation.samples, 120);
    assert.equal('confusion' in evaluation, head === 'softmax');
    assert.equal('testAccuracy' in evaluation, head !== 'mse');
    assert.equal('testR2' in evaluation, head === 'mse');
    const each = { softmax: 'perClass', sigmoid: 'perLabel', mse: 'perOutput' }[head];
    assert.deepEqual(
      evaluation[each].map(({ name }: { readonly name: string }) => name),
      names,
    );
    const text = run('evaluate', head, '--data', data);
    const figures =
      head === 'mse'
        ? /R² +-?\d.* on 120 test samples\nMAE +\d.*\nRMSE +\d.*\nloss +\d/
        : /accuracy +\d.* of 120 test samples/;
    assert.match(text, figures);
    for (const name of names)
      assert.match(text, new RegExp(`^ +${name}( +[\\d.,]+){${head === 'mse' ? 2 : 1}}.*(\\d| %)$`, 'm'));
    const report = JSON.parse(run('report', head, '--data', data, '--json'));
    const last = report.snapshots.at(-1);
    if (head === 'mse') {
      assert.ok(Math.abs(last.testError ** 2 - evaluation.testLoss) < 1e-4 * evaluation.testLoss);
      assert.ok(Math.abs(last.testR2 - evaluation.testR2) < 1e-4);
      assert.ok(Math.abs(last.testMae - evaluation.testMae) < 1e-6);
    }
    if (head !== 'mse') assert.equal(last.testAccuracy, evaluation.testAccuracy);
    const page = readFileSync(report.report, 'utf8');
    for (const name of names) assert.ok(textOf(chapterOf(page, 'sample')).includes(name), name);
    assert.match(textOf(chapterOf(page, 'runs')), /model own/);
  });
}
