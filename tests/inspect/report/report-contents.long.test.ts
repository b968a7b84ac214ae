import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Classified, type ForwardTrace, Inspector } from '#src/inspect/activations/inspector.js';
import { type MapScale, scaleOf } from '#src/inspect/activations/map-picture.js';
import { trainingStateOf } from '#src/shared/checkpoint/checkpoint.js';
import { readCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import type { Dataset } from '#src/shared/data/dataset.js';
import { bytesIn, classesOf } from '#src/shared/data/dataset.js';
import { openDataset } from '#src/shared/data/open.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { DIGIT_BITMAPS } from '#src/shared/model/bitmaps.js';
import { kindOf } from '#src/shared/model/kinds.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { lenet5 } from '../../support/models.ts';
import { DATA, lockstep, manifestOf, stepsOf } from '../../support/program.ts';
import { at } from '../../support/reference/arrays.ts';
import { assertShows, chapterOf, factsOf, panelOf, panelsOf, picturesOf, rowsOf, textOf } from './written.ts';

const MAX_MISTAKES = 48;
const SAME = 20;
/** Maps beside each other in a layer's picture. */
const COLUMNS: Readonly<Record<string, number>> = { C1: 3, S2: 3, C3: 4, S4: 4, C5: 10, F6: 7 };
/** Layer, what it puts out, parameters and connections, as in the paper. */
const TABLE = [
  ['C1', 'convolution', '6@28×28', '156', '122,304'],
  ['S2', 'subsampling, ReLU', '6@14×14', '12', '5,880'],
  ['C3', 'convolution', '16@10×10', '1,516', '151,600'],
  ['S4', 'subsampling, ReLU', '16@5×5', '32', '2,000'],
  ['C5', 'fully connected, ReLU', '120', '48,120', '48,120'],
  ['F6', 'fully connected, ReLU', '84', '10,164', '10,164'],
];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-report-contents-'));
after(() => rmSync(folder, { recursive: true }));

/** What a snapshot makes of the test set, found without the report. */
interface Tried {
  readonly title: string;
  readonly layout: ModelLayout;
  readonly weights: Float32Array;
  readonly trace: ForwardTrace;
  readonly classified: Classified;
}

async function tried(run: string, step: number, title: string, dataset: Dataset, image: number): Promise<Tried> {
  const checkpoint = await readCheckpoint(
    join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}.safetensors`),
  );
  const layout = layoutOf(lenet5(checkpoint.config.head as 'softmax' | 'rbf', 0.1));
  const { weights } = trainingStateOf(checkpoint, layout);
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(weights);
  const images = bytesIn(dataset.test);
  const trace = inspector.show(images.subarray(image * 784, (image + 1) * 784));
  return { title, layout, weights, trace, classified: inspector.classify(images) };
}

function common(arrays: readonly Float32Array[]): MapScale {
  const scales = arrays.map(scaleOf);
  const most = Math.max(...scales.map((scale) => scale.max));
  return { kind: scales.some(({ kind }) => kind === 'diverging') ? 'diverging' : 'sequential', max: most };
}

function kernelsOf({ layout, weights }: Tried, name: string): Float32Array {
  const { offset, size } = layout.tensors.find((tensor) => tensor.name === name) ?? assert.fail(name);
  return weights.subarray(offset, offset + size);
}

/** [truth, guess, guess's output, truth's output, guess's probability] of every mistake, in the order of how far the truth is behind. */
function mistakesOf(
  { classified: { predictions, outputs, probabilities } }: Tried,
  targets: ArrayLike<number>,
): number[][] {
  const mistakes: number[][] = [];
  for (const [i, guess] of predictions.entries()) {
    const truth = at(targets, i);
    if (guess === truth) continue;
    const [guessed, right] = [10 * i + guess, 10 * i + truth];
    mistakes.push([truth, guess, at(outputs, guessed), at(outputs, right), at(probabilities, guessed)]);
  }
  const margin = ([, , guess, truth]: readonly number[]): number => Math.abs((guess as number) - (truth as number));
  return mistakes.sort((a, b) => margin(b) - margin(a));
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

describe('the report holds', () => {
  let run: string;
  let page: string;
  let twoHeads: string;
  let dataset: Dataset;
  let image: number;
  let snapshots: readonly [Tried, Tried];
  let rbf: Tried;
  before(async () => {
    run = join(folder, 'soft');
    const usual = ['train', ...DATA, '--workers', '1', '--metrics-port', 'off', '--out'];
    assert.equal(lockstep([...usual, run, '--iterations', '120']).status, 0);
    const other = join(folder, 'rbf');
    assert.equal(lockstep([...usual, other, '--iterations', '100', '--head', 'rbf']).status, 0);
    const file = join(folder, 'two.html');
    assert.equal(lockstep(['report', run, ...DATA]).status, 0);
    assert.equal(lockstep(['report', run, other, ...DATA, '--out', file]).status, 0);
    [page, twoHeads] = [readFileSync(join(run, 'report.html'), 'utf8'), readFileSync(file, 'utf8')];
    dataset = await openDataset({ flag: at(DATA, 1), env: {}, print: () => {} });
    image = 0;
    snapshots = [await tried(run, 100, 'step 100', dataset, image), await tried(run, 120, 'step 120', dataset, image)];
    rbf = await tried(other, 100, 'rbf, step 100', dataset, image);
  });

  test('its chapters, each with a link', () => {
    const links = [...page.matchAll(/<a href="#(\w+)">/g)].map(([, id]) => id);
    assert.deepEqual(links, ['curves', 'sample', 'way', 'maps', 'weights', 'test', 'network', 'runs']);
    for (const id of links) assert.match(textOf(chapterOf(page, id as string)), /\w{20}|\w+ \w+/);
  });

  test('the image and what it is taken for', () => {
    const chapter = chapterOf(page, 'sample');
    const [picture] = picturesOf(
      panelOf(chapter, `Test image ${image.toLocaleString('en')}: ${classesOf(dataset.test)[image]}`),
    );
    const bytes = bytesIn(dataset.test).subarray(image * 784, (image + 1) * 784);
    const shape = { maps: 1, height: 28, width: 28, columns: 1 };
    assertShows(picture ?? assert.fail(), bytes, { ...shape, scale: { kind: 'sequential', max: 255 } });
    const tables = [...panelOf(chapter, 'What it is taken for').matchAll(/<table.*?<\/table>/gs)];
    for (const [i, { trace }] of snapshots.entries()) {
      const rows = rowsOf(at(tables, i)[0]).slice(1);
      const expected = Array.from(trace.probabilities ?? [], (p, digit) => [`${digit}`, `${(100 * p).toFixed(2)} %`]);
      assert.deepEqual(
        rows.map((row) => row.slice(0, 2)),
        expected,
      );
    }
  });

  test("the image's way through every layer, a picture for each snapshot", () => {
    const figures = chapterOf(page, 'way').split('<figure').slice(1);
    assert.equal(figures.length, 2);
    for (const [i, { title, trace }] of snapshots.entries()) {
      const figure = at(figures, i);
      const names = [...figure.matchAll(/class="name"[^>]*>([^<]*)/g)].map(([, name]) => name);
      assert.deepEqual(names, ['input', ...Object.keys(COLUMNS), 'output']);
      assert.ok(textOf(figure.replace(/^[^>]*>/, '')).startsWith(title));
      assert.equal(figure.match(/<path class="arrow"/g)?.length, 7);
      assert.equal(figure.match(/class="bar( best)?"/g)?.length, 10);
      const pictures = picturesOf(figure).slice(1);
      for (const [layer, [name, columns]] of Object.entries(COLUMNS).entries()) {
        const { values, shape } = at(trace.layers, layer);
        assert.equal(name.toLowerCase(), at(trace.layers, layer).name);
        assertShows(at(pictures, layer), values, { ...shape, columns, scale: scaleOf(values) });
      }
    }
  });

  for (const [layer, [name, columns]] of Object.entries(COLUMNS).entries()) {
    test(`${name}'s maps with what their colours mean`, () => {
      const panel = panelOf(chapterOf(page, 'maps'), `${name}: `);
      const pictures = picturesOf(panel);
      const scale = common(snapshots.map(({ trace }) => at(trace.layers, layer).values));
      for (const [i, { title, trace }] of snapshots.entries()) {
        const { values, shape } = at(trace.layers, layer);
        assertShows(at(pictures, i), values, { ...shape, columns, scale });
        assert.ok(at(pictures, i).alt.startsWith(`${name} after ${title}: `));
      }
      assert.equal(pictures.length, 2);
      assertBar(panel, scale);
    });
  }

  test('the kernels of C1 and C3 with what their colours mean', () => {
    const chapter = chapterOf(page, 'weights');
    for (const name of ['C1', 'C3']) {
      const panel = panelOf(chapter, `${name}: `);
      const arrays = snapshots.map((snapshot) => kernelsOf(snapshot, `${name.toLowerCase()}.weight`));
      const scale = common(arrays);
      const tile = { height: 5, width: 5, scale };
      for (const [i, picture] of picturesOf(panel).entries()) {
        if (name === 'C1') assertShows(picture, at(arrays, i), { ...tile, maps: 6, columns: 3 });
        else assertShows(picture, placed(at(arrays, i)), { ...tile, maps: 96, columns: 16 });
      }
      assert.equal(picturesOf(panel).length, 2);
      assertBar(panel, scale);
    }
  });

  /** Per map of C3, the maps that feed it. */
  function c3InputsOf() {
    const c3 = snapshots[0].layout.layers.find(({ spec }) => spec.name === 'c3') ?? assert.fail();
    return kindOf(c3.spec).kernels?.(c3)?.inputsOf ?? assert.fail();
  }

  /** C3's kernels [row][column], undefined where the table has none. */
  function placed(kernels: Float32Array): (number | undefined)[] {
    const table: (number | undefined)[] = new Array(6 * 16 * 25).fill(undefined);
    let kernel = 0;
    for (const [map, inputs] of c3InputsOf().entries()) {
      for (const input of inputs) {
        for (let p = 0; p < 25; p++) table[(input * 16 + map) * 25 + p] = kernels[kernel * 25 + p];
        kernel++;
      }
    }
    assert.equal(kernel, 60);
    return table;
  }

  for (const [head, name] of [
    ['softmax', 'soft, step 120'],
    ['rbf', 'rbf, step 100'],
  ] as const) {
    test(`each mistake of the ${head} head in order, with truth, guess and how sure it was`, () => {
      const list = new RegExp(`aria-label="Mistakes after ${name}">(.*?)</ul>`, 's').exec(twoHeads)?.[1] ?? '';
      const shown = [...list.matchAll(/<li>(.*?)<\/li>/gs)].map(([, item]) => textOf(item as string));
      const expected = mistakesOf(head === 'rbf' ? rbf : snapshots[1], dataset.test.targets);
      assert.ok(expected.length > MAX_MISTAKES);
      assert.equal(shown.length, MAX_MISTAKES);
      for (const [i, text] of shown.entries()) {
        const [truth = 0, guess = 0, ofGuess = 0, ofTruth = 0, confidence = 0] = at(expected, i);
        const sure =
          head === 'rbf'
            ? `${short(ofGuess)} against ${short(ofTruth)}`
            : `${(100 * confidence).toFixed(1)} %, by ${short(ofGuess - ofTruth)}`;
        assert.equal(text, `is ${truth}, said ${guess} ${sure}`);
      }
    });
  }

  test('the first test images by each snapshot, and how many each gets right', () => {
    const panel = panelOf(chapterOf(page, 'test'), 'The same images');
    const targets = classesOf(dataset.test);
    const rows = rowsOf(panel).filter(([head]) => head !== 'image');
    assert.equal(rows.length, SAME);
    for (const [i, [, truth, ...guesses]] of rows.entries()) {
      assert.equal(truth, `${targets[i]}`);
      for (const [snapshot, { classified }] of snapshots.entries()) {
        const guess = at(classified.predictions, i);
        const confidence = `${(100 * at(classified.probabilities, 10 * i + guess)).toFixed(1)} %`;
        assert.equal(guesses[snapshot], `${guess} ${confidence}${guess === targets[i] ? '' : ', wrong'}`);
      }
    }
    const counts = [0, 0, 0, 0];
    for (const [i, truth] of targets.entries()) {
      const [first, last] = snapshots.map(({ classified }) => Number(classified.predictions[i] === truth));
      const place = 2 * (first as number) + (last as number);
      counts[place] = at(counts, place) + 1;
    }
    const [neither, onlyLast, onlyFirst, both] = counts.map((count) => count.toLocaleString('en'));
    const text =
      `Right after both step 100 and step 120: ${both}. Only after step 120: ${onlyLast}. ` +
      `Only after step 100: ${onlyFirst}. After neither: ${neither}.`;
    assert.ok(textOf(panel).includes(text), text);
  });

  test('the diagram of the network', () => {
    const panel = panelOf(chapterOf(page, 'network'), 'Layers and their sizes');
    const text = textOf(panel);
    for (const [name, , shape, parameters] of TABLE) {
      assert.ok(text.includes(`${name} `) && text.includes(` ${shape} ${parameters} `), `${name} ${shape}: ${text}`);
    }
    assert.equal(panel.match(/class="sheet"/g)?.length, 1 + 6 + 6 + 16 + 16 + 3);
  });

  test('the layers with their parameters and connections', () => {
    const [, ...rows] = rowsOf(panelOf(chapterOf(page, 'network'), 'Parameters and connections'));
    assert.deepEqual(rows, [
      ...TABLE,
      ['output', 'fully connected', '10', '850', '850'],
      ['all', '', '', '60,850', '340,918'],
    ]);
    const heads = panelsOf(chapterOf(twoHeads, 'network'), 'Parameters and connections').map(rowsOf);
    assert.deepEqual(heads[1]?.slice(-2), [
      ['output', 'radial basis functions', '10', '0', '840'],
      ['all', '', '', '60,000', '340,908'],
    ]);
  });

  test('what two heads share once', () => {
    const network = chapterOf(twoHeads, 'network');
    for (const title of ["C3's connection table", "The RBF head's targets"]) panelOf(network, title);
  });

  test("the targets of the truth and of the guess beside F6's units, for a digit that is misread", () => {
    const truths = classesOf(dataset.test);
    const misread = truths.findIndex((truth, i) => at(rbf.classified.predictions, i) !== truth);
    const [truth, guess] = [at(truths, misread), at(rbf.classified.predictions, misread)];
    const file = join(folder, 'misread.html');
    const flags = ['--image', String(misread), '--out', file];
    assert.equal(lockstep(['report', join(folder, 'rbf'), ...DATA, ...flags]).status, 0);
    const panel = panelOf(chapterOf(readFileSync(file, 'utf8'), 'maps'), 'F6: ');
    assert.ok(textOf(panel).includes(`the truth's target: ${truth} the nearest target: ${guess}`), textOf(panel));
    const [units, ...targets] = picturesOf(panel);
    assert.ok(units?.alt.startsWith('F6 after step 100'));
    assert.equal(targets.length, 2);
    for (const [i, digit] of [truth, guess].entries()) {
      assert.equal(at(targets, i).alt, `The target of ${digit}`);
    }
  });

  test("C3's connection table", () => {
    const panel = panelOf(chapterOf(page, 'network'), "C3's connection table");
    const cells = [...panel.matchAll(/class="cell" x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => `${x} ${y}`);
    const inputsOf = c3InputsOf();
    const expected = inputsOf.flatMap((inputs, map) => inputs.map((row) => `${24 + 22 * map} ${24 + 22 * row}`));
    assert.deepEqual(cells, expected);
    assert.equal(cells.length, 60);
  });

  test('the ten bitmaps', () => {
    const panel = panelOf(chapterOf(twoHeads, 'network'), "The RBF head's targets");
    const scale: MapScale = { kind: 'diverging', max: 1 };
    const tiles = { maps: 10, height: 12, width: 7, columns: 10, scale };
    assertShows(picturesOf(panel)[0] ?? assert.fail(), DIGIT_BITMAPS.flat(), tiles);
    assertBar(panel, scale);
  });

  test("the run's manifest, its hashes and its throughput", () => {
    const chapter = chapterOf(page, 'runs');
    const facts = factsOf(chapter);
    const manifest = manifestOf(run) as unknown as {
      config: Record<string, unknown>;
      digests: Record<string, string>;
      versions: Record<string, string>;
      host: Record<string, unknown>;
      result: { chain: string; weightsSha256: string };
    };
    const { config, digests, versions, host, result } = manifest;
    for (const key of ['iterations', 'batch', 'seed', 'learningRate', 'optimizer', 'head', 'shardSize', 'augment']) {
      assert.equal(facts[key], String(config[key]), key);
    }
    for (const [key, value] of Object.entries({ ...digests, ...versions, cpu: host.cpu, cpus: host.cpus })) {
      assert.equal(facts[key], String(value), key);
    }
    assert.equal(facts['hash chain'], result.chain);
    assert.equal(facts['final weights'], result.weightsSha256);
    assert.equal(facts.state, 'finished');
    assert.equal(facts['steps done'], '120');
    const lines = readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
    const seconds = lines.reduce((sum, line) => sum + JSON.parse(line).timings.total, 0);
    assert.equal(facts['samples a second, in steps'], Math.round((120 * 128) / seconds).toLocaleString('en'));
    const hashes = stepsOf(run).flatMap(({ step, weightsSha256 }) =>
      step === 100 || step === 120 ? [[`step ${step}`, weightsSha256]] : [],
    );
    const table = rowsOf(panelOf(chapter, 'Snapshots')).slice(1);
    assert.deepEqual(
      table.map((cells) => [cells[0], cells.at(-1)]),
      hashes,
    );
  });
});

/** A colour bar says the ends of a scale. */
function assertBar(panel: string, { kind, max: most }: MapScale): void {
  const bar = /<p class="bar">(.*?)<\/p>/s.exec(panel)?.[1] ?? assert.fail('no colour bar');
  const least = kind === 'diverging' ? `−${short(most)}` : '0';
  assert.equal(textOf(bar), `${least} ${short(most)}`);
  assert.match(bar, /<img src="data:image\/png;base64,/);
}
