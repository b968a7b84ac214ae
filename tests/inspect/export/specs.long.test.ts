// Exports of presets, of every kind of layer and of random networks, as other programs run them, against exact arithmetic.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeWeights } from '#src/inspect/export/import.js';
import { encodeOnnx } from '#src/inspect/export/onnx.js';
import { encodeWeights } from '#src/inspect/export/safetensors.js';
import { encodeTfjs } from '#src/inspect/export/tfjs.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { isVector } from '#src/shared/model/shape.js';
import { littleEndianBytes } from '#src/shared/util/safetensors.js';
import { skipTfjs } from '../../shared/engine/tfjs/available.ts';
import type { LayersTfjs } from './layers-model.ts';
import { readNpy, runPython, skipWithout } from './python.ts';
import { everyKindCases, presetCases, randomCases } from './specs.ts';

/** Of the largest value. */
const TOLERANCE = 1e-5;

const SCRIPT = fileURLToPath(new URL('../../../../tests/inspect/export/run_models.py', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lockstep-specs-'));
after(() => rmSync(folder, { recursive: true }));
const cases = [...presetCases(), ...everyKindCases(), ...randomCases()];

for (const [reader, packages] of [
  ['onnxruntime', ['numpy', 'onnx', 'onnxruntime']],
  ['opencv', ['numpy', 'onnx', 'cv2']],
  // examples/predict.py
  ['numpy', ['numpy']],
] as const) {
  describe(`exported files in ${reader}`, { skip: skipWithout(packages) }, () => {
    const place = join(folder, reader);
    mkdirSync(place);
    const file = (i: number, ending: string): string => join(place, `${String(i).padStart(3, '0')}.${ending}`);
    for (const [i, { network, inputs }] of cases.entries()) {
      if (reader === 'numpy') writeFileSync(file(i, 'safetensors'), encodeWeights(network));
      else writeFileSync(file(i, 'onnx'), encodeOnnx(network));
      writeFileSync(file(i, 'f32'), littleEndianBytes(inputs));
    }
    it('are read', () => assert.equal(runPython([SCRIPT, reader, place]), ''));
    for (const [i, { name, network, outputs, raw }] of cases.entries()) {
      it(name, () => {
        assertNear(readNpy(file(i, '0.npy')), outputs);
        // The head's own values, if they aren't the answer already.
        if (reader !== 'numpy' && network.layout.spec.head.kind !== 'mse') assertNear(readNpy(file(i, '1.npy')), raw);
      });
    }
  });
}

describe('tfjs layers models', { skip: skipTfjs }, () => {
  const tf = skipTfjs === false ? (loadTfjs() as LayersTfjs) : undefined;
  for (const { name, network, inputs, samples, outputs } of cases) {
    it(name, async () => {
      assert.ok(tf);
      const { model, weights } = encodeTfjs(network);
      writeFileSync(join(folder, 'model.json'), model);
      writeFileSync(join(folder, 'weights.bin'), weights);
      const loaded = await tf.loadLayersModel(`file://${join(folder, 'model.json')}`);
      const { maps, height, width } = network.layout.input;
      const x = tf.tensor(inputs, [samples, maps, height, width]);
      const last = isVector(network.layout.input) ? tf.reshape(x, [samples, maps]) : tf.transpose(x, [0, 2, 3, 1]);
      const y = loaded.predict(last, { batchSize: samples });
      assertNear(y.dataSync(), outputs);
      for (const used of [x, last, y, loaded]) used.dispose();
    });
  }
});

describe('safetensors files', () => {
  for (const { name, network } of cases) {
    it(name, () => {
      const imported = decodeWeights(encodeWeights(network), name);
      assert.equal(imported.origin, 'kept');
      assert.deepEqual(imported.layout.spec, network.layout.spec);
      assert.deepEqual(imported.weights, network.weights);
    });
  }
});

function assertNear(actual: Float32Array | Float64Array, expected: Float64Array): void {
  assert.equal(actual.length, expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let error = 0;
  // Not Math.max: a NaN must not get lost.
  for (const [i, value] of expected.entries())
    if (!(Math.abs((actual[i] as number) - value) <= error)) error = Math.abs((actual[i] as number) - value);
  assert.ok(error <= TOLERANCE * largest, `off by ${error / largest} of the largest value, ${largest}`);
}
