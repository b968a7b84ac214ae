import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { SavedModel } from '#src/coordinator/run/saved-model.js';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { type PredictedRow, predictTable } from '#src/library/predict-table.js';
import { type Contents, OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { TABLE_FILE } from '#src/shared/data/sources/table.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-predict-table-'));
after(() => rmSync(folder, { recursive: true }));

const TOWNS = ['Bern', 'Oslo', 'Rome'];
const rowOf = (i: number): string => `${i % 17}.5,${TOWNS[i % 3]},${i % 2 === 0 ? 'yes' : 'no'},${100 + i}.25`;
const HEADER = 'size,town,ok,price';

function file(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

const TRAIN = file('train.csv', [HEADER, ...Array.from({ length: 60 }, (_, i) => rowOf(i))]);
const TEST = file('test.csv', [HEADER, ...Array.from({ length: 20 }, (_, i) => rowOf(3 * i + 1))]);

async function tableOf(target: string): Promise<Contents> {
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
  const place = { path: folder, names: ['train.csv', 'test.csv'] };
  const found = await TABLE_FILE.find(place, { env, print: () => {}, reading: { target } });
  return found.read(OWN_ARRAYS);
}

function modelOf(contents: Contents): SavedModel {
  const targets = contents.train.targets instanceof Uint16Array ? 'uint16' : 'float32';
  const layers = [{ kind: 'dense', units: 8 }, { kind: 'relu' }, { kind: 'dense' }];
  const layout = layoutOf(parseModel({ name: 'own', layers }, { ...contents, targets }, 'test'));
  // What a checkpoint has beside its weights isn't read.
  const checkpoint = { file: 'own.safetensors' } as SavedModel['checkpoint'];
  return { layout, weights: initialWeights(layout, 1, Math.sqrt), checkpoint };
}

async function predicted(contents: Contents, path: string, model = modelOf(contents)) {
  const lines: string[] = [];
  const rows: PredictedRow[] = [];
  const print = (line: string): number => lines.push(line);
  for await (const row of predictTable(model, path, { dataset: contents, print })) rows.push(row);
  return { rows, lines };
}

function problemOf(row: PredictedRow | undefined): string | undefined {
  return row !== undefined && 'problem' in row ? row.problem : undefined;
}

describe('predicting a table', () => {
  it('prepares rows as those that were trained on', async () => {
    const contents = await tableOf('ok');
    const model = modelOf(contents);
    const inspector = new Inspector(compileInspector(), model.layout, { inputs: 'float32' });
    inspector.setWeights(model.weights);
    const { probabilities, predictions } = inspector.classify(contents.test.inputs);
    // Other columns in another order, and none of the target.
    const rows = Array.from({ length: 20 }, (_, i) => rowOf(3 * i + 1).split(','));
    const path = file('new.csv', [
      'town;note;price;size',
      ...rows.map(([size, town, , price]) => `${town};x;${price};${size}`),
    ]);
    const { rows: found, lines } = await predicted(contents, path, model);
    assert.deepEqual([found.length, lines], [20, []]);
    for (const [i, row] of found.entries()) {
      assert.ok('trace' in row);
      assert.equal(row.row, i + 2);
      assert.equal(row.trace.prediction, predictions[i]);
      assert.deepEqual([...(row.trace.probabilities as Float32Array)], [...probabilities.subarray(2 * i, 2 * i + 2)]);
    }
  });

  it("gives numbers in the target's own unit", async () => {
    const contents = await tableOf('price');
    const model = modelOf(contents);
    assert.equal(model.layout.spec.head.kind, 'mse');
    const scaling = contents.preparation?.kind === 'table' ? contents.preparation.scaling : undefined;
    assert.ok(scaling !== undefined);
    const { rows } = await predicted(contents, TEST, model);
    for (const row of rows) {
      assert.ok('trace' in row);
      assert.deepEqual(row.numbers, [(row.trace.outputs[0] as number) * scaling.deviation + scaling.mean]);
    }
    // With no weights but the last layer's bias of 0 every output is the mean.
    const zeros = { ...model, weights: new Float32Array(model.layout.parameters) };
    const [first] = (await predicted(contents, TEST, zeros)).rows;
    assert.ok(first && 'trace' in first);
    assert.deepEqual(first.numbers, [scaling.mean]);
  });

  it('goes on after a row that cannot be used, and names unknown categories', async () => {
    const path = file('odd.csv', [
      'size,town,price',
      '1,Rome,9',
      'tall,Rome,9',
      '2,Wien,9',
      'NA,,9',
      '3,Graz,9',
      '1e999,Oslo,9',
    ]);
    const { rows, lines } = await predicted(await tableOf('ok'), path);
    assert.deepEqual(rows.map(problemOf), [
      undefined,
      '"size": expected a number such as 1234.5, but got "tall"',
      undefined,
      undefined,
      undefined,
      '"size": "1e999" is too far from the training part\'s numbers',
    ]);
    assert.deepEqual(lines, [
      `Note: 2 rows have a "town" that the training part didn't have, such as "Wien": like a missing one it counts as no category.`,
    ]);
  });

  it('is refused if columns are missing, or the model takes something else', async () => {
    const contents = await tableOf('ok');
    const path = file('short.csv', ['size,city', '1,Rome']);
    await assert.rejects(predicted(contents, path), /it lacks the columns town, price\. It has size, city\.$/);
    const { preparation: _, ...pictures } = contents;
    await assert.rejects(
      predicted(pictures, TRAIN, modelOf(contents)),
      /train\.csv is a table, but own wasn't trained on one/,
    );
    const other = modelOf({ ...contents, maps: 7 });
    await assert.rejects(predicted(contents, TRAIN, other), /own wasn't trained on this data set: it takes 7 features/);
  });
});
