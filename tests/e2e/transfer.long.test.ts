// Transfer learning: a head that is trained on the features of a frozen network, here one of this program's own.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { encode } from 'fast-png';
import { findModel, refuseFloats, type SavedModel } from '#src/coordinator/run/saved-model.js';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { encodeOnnx } from '#src/inspect/export/onnx.js';
import { resolveJob } from '#src/library/inputs.js';
import { predictPictures } from '#src/library/predict.js';
import { type PredictedPicture, predictFeatures } from '#src/library/predict-features.js';
import { train } from '#src/library/train.js';
import { openDataset } from '#src/shared/data/open.js';
import type { FeaturePreparation } from '#src/shared/data/preparation.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { UsageError } from '#src/shared/util/errors.js';
import { skipFeatures } from '../inspect/features/available.ts';
import { madeDataset, madeFile } from '../support/made-images.ts';
import { lockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-transfer-'));
after(() => rmSync(folder, { recursive: true }));

const TESTED = 300;
const DATA = madeFile(folder, 1024, TESTED);
const [NETWORK, FEATURES, HEAD] = ['net.onnx', 'features.safetensors', 'head.json'].map((name) =>
  join(folder, name),
) as [string, string, string];
writeFileSync(HEAD, JSON.stringify({ name: 'head', layers: [{ kind: 'dense' }] }));
const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: join(folder, 'cache') };

async function trained(name: string, options: Readonly<Record<string, unknown>>) {
  const out = join(folder, name);
  const fixed = { batch: 32, metricsPort: 'off', evaluateEvery: 0, augment: 'none', iterations: 150 };
  const { result } = await train(await resolveJob({ flags: { ...fixed, out, ...options }, env }));
  return { ...result, model: await findModel(out, { env, print: () => {} }) };
}

async function predicted(model: SavedModel, files: readonly string[], features: string) {
  const [found, lines]: [PredictedPicture[], string[]] = [[], []];
  const print = (line: string): number => lines.push(line);
  for await (const picture of predictFeatures(model, files, { features, print })) found.push(picture);
  return { found, lines };
}

describe('a head on the features of a frozen network', { skip: skipFeatures }, async () => {
  if (skipFeatures) return;
  const network = await trained('network', { data: DATA, model: 'lenet5', workers: 2 });
  const { layout, weights } = network.model;
  writeFileSync(NETWORK, encodeOnnx({ layout, weights, version: '0', metadata: {} }));
  const packing = lockstep(['data', DATA, '--features', NETWORK, '--layer', 'f6.relu', '--pack', FEATURES]);
  const head = await trained('head', { data: FEATURES, model: HEAD, workers: 1 });

  it('is trained on what one command has packed', () => {
    assert.equal(packing.status, 0, packing.stderr);
    assert.match(
      packing.stdout,
      /^each +84@1x1, floats\nfeatures +f6\.relu of net\.onnx, by onnxruntime-web \S+\nnetwork +sha256 [0-9a-f]{64}\npictures +1@28x28 \(cover\), mean 0, deviation 1$/m,
    );
    assert.deepEqual([head.model.layout.input.maps, head.model.checkpoint.preparation?.kind], [84, 'features']);
  });

  it('is about as right as the network', () => {
    const { testAccuracy: whole = 0 } = network;
    const { testAccuracy: part = 0 } = head;
    assert.ok(whole > 0.8, `the network: ${whole}`);
    assert.ok(part > whole - 0.03, `the head: ${part}, the network: ${whole}`);
  });

  it('has the same weights by three workers', async () => {
    const { weightsSha256 } = await trained('three', { data: FEATURES, model: HEAD, workers: 3 });
    assert.equal(weightsSha256, head.weightsSha256);
  });

  it('predicts pictures by the very features that it was trained on, of that network alone', async () => {
    const { inputs } = madeDataset(0, TESTED).test;
    const files = Array.from({ length: 20 }, (_, i) => join(folder, `${i}.png`));
    for (const [i, file] of files.entries()) {
      const data = inputs.subarray(784 * i, 784 * (i + 1)) as Uint8Array;
      writeFileSync(file, encode({ width: 28, height: 28, channels: 1, data }));
    }
    writeFileSync(join(folder, 'none.png'), 'no picture');
    const { found, lines } = await predicted(head.model, [...files, join(folder, 'none.png')], NETWORK);
    const { test } = await openDataset({ flag: FEATURES, env, print: () => {} });
    const inspector = new Inspector(compileInspector(), head.model.layout, { inputs: 'float32' });
    inspector.setWeights(head.model.weights);
    for (const [i, file] of files.entries()) {
      const { outputs } = inspector.show(test.inputs.subarray(84 * i, 84 * (i + 1)));
      const picture = found[i] as PredictedPicture;
      assert.deepEqual('trace' in picture && [picture.file, picture.trace.outputs], [file, outputs]);
    }
    assert.ok('problem' in (found[20] as PredictedPicture));
    assert.deepEqual(lines, []);
    const other = join(folder, 'other.onnx');
    writeFileSync(other, Buffer.concat([readFileSync(NETWORK), Buffer.from('\x12\x01a')]));
    await assert.rejects(predicted(head.model, files, other), {
      constructor: UsageError,
      message: /expected net\.onnx with the SHA-256/,
    });
  });

  it('predicts by the command line, which names what cannot be read', () => {
    const pictures = ['0.png', 'none.png'].map((name) => join(folder, name));
    const run = ['--run', join(folder, 'head'), '--features', NETWORK];
    const { status, stdout, stderr } = lockstep(['predict', ...pictures, ...run, '--json']);
    const { images } = JSON.parse(stdout);
    assert.deepEqual([status, images.length, images[0].probabilities.length], [1, 2, 10]);
    assert.match(`${images[1].error}\n${stderr}`, /^expected a PNG.*\n.*none\.png: expected a PNG/);
    const refused = lockstep(['predict', ...pictures, ...run, '--layers']);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /^--index and --layers are for networks that take pictures, and --features for heads/);
  });

  it('says if another runtime computes features', async () => {
    const { checkpoint } = head.model;
    const preparation = { ...(checkpoint.preparation as FeaturePreparation), runtime: 'another 1.0' };
    const { lines } = await predicted({ ...head.model, checkpoint: { ...checkpoint, preparation } }, [], NETWORK);
    assert.equal(lines.length, 1);
    assert.match(lines[0] as string, /^Note: features are computed by onnxruntime-web \S+, .* were by another 1\.0\.$/);
  });

  it('is refused where the network is missing, or belongs to no head', async () => {
    const message =
      /were trained on the features f6\.relu of the network net\.onnx \(SHA-256 [0-9a-f]{64}\)\. To predict .*--features FILE\./;
    assert.throws(() => predictPictures(head.model, []), { constructor: UsageError, message });
    assert.throws(() => refuseFloats(head.model), { constructor: UsageError, message });
    await assert.rejects(
      predicted(network.model, [], NETWORK),
      /--features: .* wasn't trained on the features of a network\. Leave/,
    );
  });
});
