import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Classified, Inspector } from '#src/inspect/activations/inspector.js';
import { colourOf } from '#src/inspect/activations/map-picture.js';
import type { ClassResults, Column, LabelResults, TestSet, ValueResults } from '#src/inspect/report/data.js';
import { edgesOf } from '#src/inspect/report/edges.js';
import { confusionOf } from '#src/shared/engine/evaluation.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { at } from '../../support/reference/arrays.ts';
import { headReport, manyClassesReport, presetReport } from './small-report.ts';
import { chapterOf, panelOf, panelsOf, picturesOf, rowsOf, textOf } from './written.ts';

const CHAPTERS = ['curves', 'sample', 'way', 'maps', 'weights', 'test', 'network', 'runs'];
const ANIMALS = ['cat', 'dog', 'giraffe', 'hen'];

function assertChapters(page: string): void {
  const links = [...page.matchAll(/<a href="#(\w+)">/g)].map(([, id]) => id);
  assert.deepEqual(links, CHAPTERS);
  for (const id of CHAPTERS) assert.match(textOf(chapterOf(page, id)), /\w+ \w+/);
  assert.doesNotMatch(textOf(page.replace(/<(script|style)>.*?<\/\1>/gs, '')), /digit|MNIST|\b784\b|undefined|NaN/);
}

/** What a column's weights make of the whole test set, found without the report. */
function classifiedOf({ layout, weights }: Column, { inputs }: TestSet): Classified {
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(weights);
  return inspector.classify(inputs);
}

/** The share of samples whose likeliest class is theirs, found without the report's own counting. */
function accuracyOf(classified: Classified, targets: ArrayLike<number>, classes: number): number {
  let right = 0;
  for (let i = 0; i < classified.count; i++) {
    const outputs = classified.outputs.subarray(i * classes, (i + 1) * classes);
    if (outputs.indexOf(Math.max(...outputs)) === targets[i]) right++;
  }
  return right / classified.count;
}

describe('the report of a residual net on colour pictures', () => {
  const { page, columns, test: set } = presetReport('resnet8', { maps: 3, height: 12, width: 12 }, ANIMALS);

  test('has every chapter, in the words of its classes', () => {
    assertChapters(page);
    for (const name of ANIMALS) assert.ok(textOf(chapterOf(page, 'sample')).includes(` ${name} `));
    const last = at(columns, 1);
    const { accuracy, scores } = last.results as ClassResults;
    const classified = classifiedOf(last, set);
    assert.equal(accuracy, accuracyOf(classified, set.targets, 4));
    const confusion = confusionOf(set.targets as Uint16Array, classified.predictions, 4);
    assert.ok(accuracy > (at(columns, 0).results as ClassResults).accuracy);
    const rows = rowsOf(panelOf(chapterOf(page, 'test'), 'Confusion matrix').split('<table').at(-1) as string);
    assert.deepEqual(rows, [
      ['truth', '0', '1', '2', '3'],
      ...ANIMALS.map((name, i) => [`${i} ${name}`, ...at(confusion, i).map(String)]),
    ]);
    const scored = rowsOf(panelOf(chapterOf(page, 'test'), 'Each class').split('<table').at(-1) as string);
    assert.deepEqual(
      scored.slice(2).map(([name, samples, said, , recall]) => [name, samples, said, recall]),
      ANIMALS.map((name, i) => {
        const { support, predicted, recall } = at(scores.each, i);
        assert.equal(recall, at(at(confusion, i), i) / support);
        return [name, `${support}`, `${predicted}`, `${(100 * recall).toFixed(1)} %${support === 0 ? ' *' : ''}`];
      }),
    );
  });

  test('shows the sample in its colours, and the maps and kernels of every convolution', () => {
    const [picture] = picturesOf(panelOf(chapterOf(page, 'sample'), 'Test image 3: '));
    for (const [x, y] of [
      [0, 0],
      [5, 7],
    ] as const) {
      const pixel = [0, 1, 2].map((map) => set.inputs[3 * 432 + map * 144 + y * 12 + x]);
      assert.deepEqual(
        [...Array.from(picture?.data ?? []).slice(4 * (2 * y * 24 + 2 * x), 4 * (2 * y * 24 + 2 * x) + 3)],
        pixel,
      );
    }
    const convs = [
      'stem',
      'block1.a',
      'block1.b',
      'block2.a',
      'block2.b',
      'block2.shortcut',
      'block3.a',
      'block3.b',
      'block3.shortcut',
    ];
    for (const name of convs) {
      assert.equal(picturesOf(panelOf(chapterOf(page, 'maps'), `${name}: `)).length, 2, name);
      assert.equal(picturesOf(panelOf(chapterOf(page, 'weights'), `${name}: `)).length, 2, name);
    }
    const stem = panelOf(chapterOf(page, 'weights'), 'stem: ');
    assert.match(textOf(stem), /^stem: 16 kernels of 3×3 in three colours/);
    assert.match(
      textOf(panelOf(chapterOf(page, 'weights'), 'block3.a')),
      /The first 16 of 64 maps, .* the first 8 of 32/,
    );
  });

  test('draws the branches', () => {
    const reads = rowsOf(panelOf(chapterOf(page, 'network'), 'Parameters and connections')).map((row) => [
      row[0],
      row[2],
    ]);
    assert.deepEqual(reads.slice(0, 5), [
      ['layer', 'reads'],
      ['stem', 'input'],
      ['block1.a', 'stem'],
      ['block1.b', 'block1.a'],
      ['block1', 'block1.b, stem'],
    ]);
    const diagram = panelOf(chapterOf(page, 'network'), 'Layers and their sizes');
    // Fourteen layers, of which two aren't read by the next one; around them and past the blocks lead five lines.
    assert.equal(diagram.match(/class="arrow"/g)?.length, 14 - 2 + 5);
  });
});

test('branches lead around each other, the shorter inside', () => {
  const { next, detours, levels } = edgesOf([[-1], [0], [1, 0], [2, -1]]);
  assert.deepEqual([...next], [1, 2, 3, 4]);
  assert.deepEqual(detours, [
    { from: 1, to: 3, level: 0 },
    { from: 0, to: 4, level: 1 },
  ]);
  assert.equal(levels, 2);
});

test('the report of a perceptron on samples that are no pictures', () => {
  const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
  const { page } = presetReport('mlp', { maps: 13, height: 1, width: 1 }, letters, 100);
  assertChapters(page);
  assert.match(textOf(chapterOf(page, 'sample')), /^.*The sample Test sample 3: [a-z] .*The first 12 of 26\./);
  const [, ...pairs] = rowsOf(panelOf(chapterOf(page, 'test'), 'What is confused most'));
  assert.ok(pairs.length > 5 && pairs.every(([is, said]) => is !== said));
  assert.deepEqual(panelsOf(chapterOf(page, 'weights'), 'hidden1:'), []);
});

test('the report of a perceptron on pictures shows what its first layer sums up', () => {
  const { page } = presetReport('mlp', { maps: 1, height: 14, width: 14 }, ['0', '1', '2'], 32);
  assertChapters(page);
  const panel = panelOf(chapterOf(page, 'weights'), 'hidden1: 512 kernels of 14×14');
  assert.match(textOf(panel), /The first 64 of 512\./);
  const [picture] = picturesOf(panel);
  assert.equal(picture?.width, 8 * (2 * 14 + 2) - 2);
});

test('the report of 1,000 classes is of bounded size, and has all of them', () => {
  const { page, columns, test: set } = manyClassesReport(1000);
  const names = set.classNames;
  assert.ok(page.length < 3e6, `${page.length} bytes`);
  const { pairs, scores } = at(columns, 1).results as ClassResults;
  const chapter = chapterOf(page, 'test');
  const [, ...confused] = rowsOf(panelOf(chapter, 'What is confused most').split('<table').at(-1) as string);
  assert.equal(confused.length, 30);
  assert.deepEqual(at(confused, 0).slice(0, 3), [
    `${at(pairs, 0).truth} ${names[at(pairs, 0).truth]}`,
    `${at(pairs, 0).guess} ${names[at(pairs, 0).guess]}`,
    at(pairs, 0).samples.toLocaleString('en'),
  ]);
  const [, , ...scored] = rowsOf(panelOf(chapter, 'Each class').split('<table').at(-1) as string);
  const there = scores.each.filter(({ support, predicted }) => support + predicted > 0);
  assert.ok(there.length > 900);
  assert.equal(scored.length, there.length);
  const f1 = scored.map((row) => Number.parseFloat(at(row, 5)));
  assert.deepEqual(
    f1,
    f1.toSorted((a, b) => a - b),
  );
  // A cell of the picture is of four by four classes, and of the colour of the largest share of them.
  const picture = picturesOf(panelOf(chapter, 'Confusion matrix')).at(-1);
  assert.deepEqual([picture?.width, picture?.height], [500, 500]);
  const shares = new Float64Array(250 * 250);
  const { predictions } = classifiedOf(at(columns, 1), set);
  for (const [truth, row] of confusionOf(set.targets as Uint16Array, predictions, 1000).entries()) {
    const all = row.reduce((sum, samples) => sum + samples, 0);
    for (const [guess, samples] of row.entries()) {
      const cell = 250 * Math.floor(truth / 4) + Math.floor(guess / 4);
      if (samples > 0) shares[cell] = Math.max(at(shares, cell), Math.fround(Math.sqrt(samples / all)));
    }
  }
  const wrong = [...shares.keys()].filter((cell) => {
    const pixel = 4 * (2 * Math.floor(cell / 250) * 500 + 2 * (cell % 250));
    const colour = colourOf({ kind: 'sequential', max: 1 }, at(shares, cell));
    return colour.some((channel, i) => picture?.data[pixel + i] !== channel);
  });
  assert.deepEqual(wrong, []);
});

test('labels are counted each by itself', () => {
  const { page, columns, test: set } = headReport('sigmoid', 'labels', ['odd', 'low']);
  assertChapters(page);
  const { scores, accuracy } = at(columns, 1).results as LabelResults;
  const classified = classifiedOf(at(columns, 1), set);
  const said = (i: number, label: number): boolean => at(classified.outputs, 2 * i + label) > 0;
  const there = (i: number, label: number): boolean => set.targets[2 * i + label] === 1;
  const all = Array.from({ length: set.count }, (_, i) => i);
  const right = all.filter((i) => said(i, 0) === there(i, 0) && said(i, 1) === there(i, 1));
  assert.equal(accuracy, right.length / set.count);
  assert.deepEqual(
    scores.each.map(({ support, predicted }) => [support, predicted]),
    [0, 1].map((label) => [all.filter((i) => there(i, label)).length, all.filter((i) => said(i, label)).length]),
  );
  const rows = rowsOf(panelOf(chapterOf(page, 'test'), 'Each label').split('<table').at(-1) as string);
  assert.deepEqual(at(rows, 0), ['label', 'samples', 'said', 'precision', 'recall', 'F1']);
  assert.equal(at(at(rows, 3), 4).split(' ')[0], (100 * at(scores.each, 1).recall).toFixed(1));
  assert.doesNotMatch(textOf(chapterOf(page, 'test')), /Confusion/);
});

test('numbers have errors and no classes', () => {
  const { page, columns, test: set } = headReport('mse', 'values', ['height', 'map']);
  assertChapters(page);
  const { errors } = at(columns, 1).results as ValueResults;
  const classified = classifiedOf(at(columns, 1), set);
  const squares = Array.from(classified.outputs, (value, i) => (value - at(set.targets, i)) ** 2);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(errors.rmse - Math.sqrt(mean(squares))) < 1e-9);
  for (const k of [0, 1])
    assert.ok(Math.abs(at(errors.each, k).rmse - Math.sqrt(mean(squares.filter((_, i) => i % 2 === k)))) < 1e-9);
  assert.ok(errors.rmse < (at(columns, 0).results as ValueResults).errors.rmse);
  for (const [k, name] of set.classNames.entries()) {
    const panel = panelOf(chapterOf(page, 'test'), `${name}: predictions and residuals`);
    const [, last = ''] = panel.split('aria-label="Predictions of').slice(1);
    assert.equal(last.match(/M[\d.]+ [\d.]+h0/g)?.length, set.count);
    assert.deepEqual(
      [...at(errors.predictions, k)],
      Array.from({ length: set.count }, (_, i) => classified.outputs[2 * i + k]),
    );
    assert.equal(panel.match(/class="residual"/g)?.length, 2 * 31);
  }
  assert.match(textOf(chapterOf(page, 'sample')), /output predicted truth height/);
  assert.doesNotMatch(page, /no label/);
  assert.doesNotMatch(textOf(chapterOf(page, 'test')), /Confusion|probability/);
});
