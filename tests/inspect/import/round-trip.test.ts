import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { encodeOnnx } from '#src/inspect/export/onnx.js';
import { encodeTfjs, MODEL_FILE, WEIGHTS_FILE } from '#src/inspect/export/tfjs.js';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { weightsFor } from '#src/inspect/import/weights.js';
import { LAYERS } from '#src/shared/model/kinds.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { specOf, typicalData } from '#src/shared/model/registry.js';
import { randomWeights } from '../../support/reference/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-round-trip-'));
after(() => rmSync(folder, { recursive: true }));

describe('a preset that was exported as ONNX', () => {
  for (const model of ['lenet5-relu', 'mlp', 'vgg-small', 'resnet8', 'resnet20']) {
    it(`is read as it was: ${model}`, async () => {
      const layout = layoutOf(specOf({ model, head: 'softmax', rbfJ: 0 }, typicalData(model)));
      const weights = randomWeights(layout, 1);
      const path = join(folder, `${model}.onnx`);
      writeFileSync(path, encodeOnnx({ layout, weights, version: '0', metadata: {} }));
      const again = layoutOf(parseModel((await readModelFile(path)).spec, undefined, path));
      assert.deepEqual(
        again.tensors.map(({ shape, offset }) => ({ shape, offset })),
        layout.tensors.map(({ shape, offset }) => ({ shape, offset })),
      );
      assert.deepEqual((await weightsFor(again, path)).weights, weights);
      assert.deepEqual(kindsOf(again), kindsOf(layout));
    });
  }
});

describe('a layer that other formats have too', () => {
  for (const { kind, imports } of LAYERS) {
    if (imports?.onnx === undefined) continue;
    it(`is read as it was, from ONNX and TensorFlow.js: ${kind}`, async () => {
      const layers = [{ kind: 'conv', maps: 2, kernel: 1 }, { kind }, { kind: 'dense', units: 3 }];
      const layout = layoutOf(
        parseModel({ name: 'one', input: { maps: 2, height: 3, width: 3 }, layers }, undefined, kind),
      );
      const network = { layout, weights: randomWeights(layout, 1), version: '0', metadata: {} };
      const { model, weights } = encodeTfjs(network);
      writeFileSync(join(folder, WEIGHTS_FILE), weights);
      for (const [file, bytes] of [
        ['one.onnx', encodeOnnx(network)],
        [MODEL_FILE, model],
      ] as const) {
        const path = join(folder, file);
        writeFileSync(path, bytes);
        const read = parseModel((await readModelFile(path)).spec, undefined, path).layers.find(
          (each) => each.kind === kind,
        );
        assert.deepEqual({ ...read, name: '', inputs: [] }, { ...layout.layers[1]?.spec, name: '', inputs: [] }, file);
      }
    });
  }
});

/** Without what changes no value after training, which the export leaves out. */
function kindsOf({ layers }: ModelLayout): string[] {
  return layers.map(({ spec }) => spec.kind).filter((kind) => kind !== 'flatten' && kind !== 'dropout');
}
