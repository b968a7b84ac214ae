// What other programs make of exports, against this one: tfjs, ONNX Runtime, OpenCV, and examples/predict.py.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Inspector } from '#src/inspect/activations/inspector.js';
import type { Network } from '#src/inspect/export/network.js';
import { encodeOnnx } from '#src/inspect/export/onnx.js';
import { encodeWeights } from '#src/inspect/export/safetensors.js';
import { encodeTfjs } from '#src/inspect/export/tfjs.js';
import { resolveDataFolder } from '#src/shared/data/data-folder.js';
import { bytesIn } from '#src/shared/data/dataset.js';
import { loadMnist } from '#src/shared/data/mnist.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { littleEndianBytes } from '#src/shared/util/safetensors.js';
import { skipTfjs } from '../../shared/engine/tfjs/available.ts';
import type { LayersTfjs } from './layers-model.ts';
import {
  assertAgree,
  lenets,
  type Probabilities,
  randomNetwork,
  TRAINED_RBF_TOLERANCE,
  trainedNetwork,
} from './networks.ts';
import { readNpy, runPython, skipWithout } from './python.ts';

const SCRIPTS = new URL('../../../../tests/inspect/export/', import.meta.url);
const EXAMPLE = fileURLToPath(new URL('../../../../examples/predict.py', import.meta.url));
const IDX_BYTES_3D = 0x803;
const BATCH = 500;

/** A network, and what this program makes of images. */
interface Case {
  readonly network: Network;
  /** Bytes [images][height][width]. */
  readonly images: Uint8Array;
  readonly ours: Probabilities;
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-export-'));
after(() => rmSync(folder, { recursive: true }));

const { MNIST_DIR } = process.env;
const skipMnist = MNIST_DIR ? false : '$MNIST_DIR is not set: name the folder that holds the MNIST files';
const tf = skipTfjs === false ? (loadTfjs() as LayersTfjs) : undefined;

for (const { head, spec } of lenets) {
  compareAll(`random weights (${head}), on the test set`, skipMnist, () => onTestSet(randomNetwork(spec, 43)));
  const tolerance = head === 'rbf' ? TRAINED_RBF_TOLERANCE : undefined;
  const trained = async () => onTestSet(await trainedNetwork(head, join(folder, `run-${head}`)));
  compareAll(`trained weights (${head}), on the test set`, skipMnist, trained, tolerance);
}

function compareAll(name: string, skip: string | false, make: () => Promise<Case>, tolerance?: number): void {
  describe(name, { skip }, () => {
    const place = join(folder, name);
    let made: Case;
    before(async () => {
      mkdirSync(place);
      made = await make();
    });

    it('tf.loadLayersModel', { skip: skipTfjs }, async () => {
      assertAgree(await byTfjs(made, place), made.ours, made.network.layout.classes, tolerance);
    });

    it('ONNX Runtime', { skip: skipWithout(['numpy', 'onnx', 'onnxruntime']) }, () => {
      assertAgree(byOnnx('run_onnx.py', made, place), made.ours, made.network.layout.classes, tolerance);
    });

    it('OpenCV', { skip: skipWithout(['numpy', 'cv2']) }, () => {
      const { spec, classes } = made.network.layout;
      // Its distances are sums in float32 alone.
      const limit = spec.head.kind === 'rbf' ? TRAINED_RBF_TOLERANCE : tolerance;
      assertAgree(byOnnx('run_opencv.py', made, place), made.ours, classes, limit);
    });

    it('examples/predict.py', { skip: skipWithout(['numpy']) }, () => {
      assertAgree(byExample(made, place), made.ours, made.network.layout.classes, tolerance);
    });
  });
}

async function onTestSet(network: Network): Promise<Case> {
  const { test } = await loadMnist(await resolveDataFolder({ env: process.env }));
  const inspector = new Inspector(compileInspector(), network.layout);
  inspector.setWeights(network.weights);
  return { network, images: bytesIn(test), ours: inspector.classify(bytesIn(test)).probabilities };
}

async function byTfjs({ network, images }: Case, place: string): Promise<Probabilities> {
  assert.ok(tf);
  const { height, width } = network.layout.spec.input;
  const { model, weights } = encodeTfjs(network);
  writeFileSync(join(place, 'model.json'), model);
  writeFileSync(join(place, 'weights.bin'), weights);
  const loaded = await tf.loadLayersModel(`file://${join(place, 'model.json')}`);
  assert.equal(loaded.userDefinedMetadata.weightsSha256, network.metadata.weightsSha256);
  const x = tf.tensor(Float32Array.from(images, scaled), [images.length / (height * width), height, width, 1]);
  const y = loaded.predict(x, { batchSize: BATCH });
  const probabilities = y.dataSync();
  for (const used of [x, y, loaded]) used.dispose();
  return probabilities;
}

function byOnnx(script: string, { network, images }: Case, place: string): Probabilities {
  const { height, width } = network.layout.spec.input;
  const [model, pixels, saved] = ['model.onnx', 'images.f32', 'onnx.npy'].map((name) => join(place, name)) as string[];
  writeFileSync(model as string, encodeOnnx(network));
  writeFileSync(pixels as string, littleEndianBytes(Float32Array.from(images, scaled)));
  runPython([fileURLToPath(new URL(script, SCRIPTS)), model, pixels, height, width, saved].map(String));
  return readNpy(saved as string);
}

function byExample({ network, images }: Case, place: string): Probabilities {
  const { height, width } = network.layout.spec.input;
  const header = Buffer.alloc(16);
  for (const [i, value] of [IDX_BYTES_3D, images.length / (height * width), height, width].entries()) {
    header.writeUInt32BE(value, 4 * i);
  }
  const [weights, idx, saved] = ['weights.safetensors', 'images', 'numpy.npy'].map((name) => join(place, name));
  writeFileSync(weights as string, encodeWeights(network));
  writeFileSync(idx as string, Buffer.concat([header, images]));
  runPython([EXAMPLE, weights, idx, '--save', saved].map(String));
  return readNpy(saved as string);
}

function scaled(byte: number): number {
  return byte / 255;
}
