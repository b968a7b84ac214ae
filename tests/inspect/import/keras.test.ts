import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { assertSameOutputs, expectedIn, fixture } from './outputs.ts';

// Whether the outputs are those of a softmax or a sigmoid, which the head has here.
const MODELS = [
  ['sequential.json', 'softmax'],
  ['functional.json', 'sigmoid'],
  ['vectors.json', 'mse'],
  ['residual.keras', 'softmax'],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-keras-'));
after(() => rmSync(folder, { recursive: true }));

describe('a model of TensorFlow.js or Keras', () => {
  for (const [name, head] of MODELS) {
    it(`has the same outputs here: ${name}`, async () => {
      const path = fixture(name);
      const expected = expectedIn(name.replace(/\..*/, '.outputs.safetensors'), head === 'mse' ? 'logits' : head);
      const file = await assertSameOutputs(path, path, expected);
      assert.equal((file.spec as { head: string }).head, head);
    });
  }

  it('that was converted from Keras 2 has its config elsewhere, and names with a prefix', async () => {
    const original = fixture('functional.json');
    const json = JSON.parse(readFileSync(original, 'utf8'));
    const { class_name, config } = json.modelTopology;
    for (const weight of json.weightsManifest[0].weights) weight.name = `model_1/${weight.name}`;
    const topology = { keras_version: '2.15.0', backend: 'tensorflow', model_config: { class_name, config } };
    const path = join(folder, 'functional.json');
    writeFileSync(path, JSON.stringify({ ...json, modelTopology: topology }));
    for (const name of json.weightsManifest[0].paths) copyFileSync(fixture(name), join(folder, name));
    assert.deepEqual(await readModelFile(path), await readModelFile(original));
  });

  it('without its weights is a spec, and says so', async () => {
    const path = join(mkdtempSync(join(folder, 'alone-')), 'sequential.json');
    copyFileSync(fixture('sequential.json'), path);
    const { spec, weights, warnings } = await readModelFile(path);
    assert.deepEqual(spec, (await readModelFile(fixture('sequential.json'))).spec);
    assert.equal(weights, undefined);
    assert.deepEqual(warnings, ['There are no weights beside sequential.json.']);
  });

  it('that takes bytes takes samples of 0 to 1 here, and says so', async () => {
    const { warnings } = await readModelFile(fixture('residual.keras'));
    assert.match(warnings.join(), /rescaling scales by 0\.0078\d*, so the file takes samples of 0 to 255/);
  });
});
