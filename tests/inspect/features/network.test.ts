// What a network's file says, hostile ones too. Nothing is run.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { readNetwork } from '#src/inspect/features/network.js';
import { normalizationOf } from '#src/inspect/features/normalization.js';
import { loadRuntime, RUNTIME_VERSION } from '#src/inspect/features/runtime.js';
import { ModelError, PackageError, UsageError } from '#src/shared/util/errors.js';
import { sha256 } from '../../support/made-set.ts';
import { type Graph, graphFile, networkFile, node, valueInfo, written } from './networks.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-network-'));
after(() => rmSync(folder, { recursive: true }));

const RELU = [node('Relu', ['x'], 'inner'), node('Relu', ['inner'], 'y')];
const inputOf = async (graph: Partial<Graph>) =>
  (await readNetwork(graphFile(folder, { nodes: RELU, ...graph }))).input;

describe('the input of a network', () => {
  it('has channels first or last, and any number of pictures or a fixed one', async () => {
    const first = { name: 'x', shape: { maps: 3, height: 5, width: 7 }, batch: 1, isChannelsLast: false };
    assert.deepEqual(await inputOf({ input: ['N', 3, 5, 7] }), first);
    assert.deepEqual(await inputOf({ input: [4, 3, 5, 7] }), { ...first, batch: 4 });
    assert.deepEqual(await inputOf({ input: ['N', 5, 7, 3] }), { ...first, isChannelsLast: true });
    const grey = { ...first, shape: { maps: 1, height: 28, width: 28 } };
    assert.deepEqual(await inputOf({ input: ['N', 1, 28, 28] }), grey);
  });

  it('may be listed beside its weights', async () => {
    const initializers = [{ name: 'w', dims: [1], dataType: 1, floatData: [1] }];
    const inputs = [valueInfo('w', [1]), valueInfo('x', ['N', 1, 9, 9])];
    assert.equal((await inputOf({ initializers, inputs })).name, 'x');
  });

  const refusals: readonly (readonly [string, Partial<Graph>, RegExp])[] = [
    ['of no pictures', { input: ['N', 10] }, /its input x is \?x10; expected pictures x channels x height x width/],
    ['of four channels', { input: ['N', 4, 9, 9] }, /is \?x4x9x9; expected pictures .* with 1 or 3/],
    ['of a free size', { input: ['N', 3, 'H', 'W'] }, /is \?x3x\?x\?; expected a fixed .*make_dynamic_shape_fixed/],
    ['of a negative size', { input: ['N', 3, -5, 7] }, /expected a fixed height and width/],
    ['that is huge', { input: ['N', 3, 2 ** 40, 2 ** 40] }, /67108864 values are the most/],
    ['of a huge batch', { input: [2 ** 40, 3, 5, 7] }, /67108864 values are the most/],
    ['of halves', { elemType: 10 }, /its input x has the data type 10; expected float32/],
    [
      'beside another',
      { inputs: [valueInfo('x', ['N', 3, 9, 9]), valueInfo('z', [1])] },
      /it has 2 inputs; expected one/,
    ],
    ['that is missing', { inputs: [] }, /it has 0 inputs/],
    ['without a type', { inputs: [{ name: 'x' }] }, /data type undefined/],
    ['before no output', { outputs: [] }, /it has no outputs/],
  ];
  for (const [name, graph, message] of refusals) {
    it(`is refused: one ${name}`, () => assert.rejects(inputOf(graph), { constructor: ModelError, message }));
  }
});

describe('the features of a network', () => {
  it('are the first output, or a value inside that becomes an output', async () => {
    const path = networkFile(folder, { maps: 1, height: 8, width: 8 });
    const bytes = readFileSync(path);
    const whole = await readNetwork(path);
    assert.deepEqual([whole.layer, whole.sha256], ['probabilities', sha256(bytes)]);
    assert.deepEqual(Buffer.from(whole.model), bytes);
    const inner = await readNetwork(path, { layer: 'features' });
    assert.deepEqual([inner.layer, inner.sha256], ['features', whole.sha256]);
    const more = Buffer.from(inner.model).subarray(bytes.length);
    assert.deepEqual(more, Buffer.from('\x3a\x0c\x62\x0a\x0a\x08features', 'latin1'));
    assert.ok(inner.model.buffer instanceof SharedArrayBuffer);
  });

  it('are refused by a name that there is not, with those that there are', async () => {
    const path = graphFile(folder, { nodes: RELU });
    const message = /--layer: .* has no value nothing. The last of its 2 are inner, y\.$/;
    await assert.rejects(readNetwork(path, { layer: 'nothing' }), { constructor: ModelError, message });
    await assert.rejects(readNetwork(path, { layer: 'x' }), /has no value x/);
    await assert.rejects(readNetwork(path, { layer: '' }), /has no value/);
    await assert.rejects(
      readNetwork(graphFile(folder, { nodes: RELU, outputs: ['z'.repeat(201)] })),
      /too long a name/,
    );
  });

  it('are those of an expected file alone', async () => {
    const path = graphFile(folder, { nodes: RELU });
    const expected = { file: 'other.onnx', sha256: '0'.repeat(64) };
    const message = /expected other\.onnx with the SHA-256 0000.*, whose features .* but .* has [0-9a-f]{64}\. Name/;
    await assert.rejects(readNetwork(path, { layer: 'absent', expected }), { constructor: UsageError, message });
  });
});

describe('the file of a network', () => {
  it('holds its own weights', async () => {
    const external = {
      name: 'w',
      dims: [1],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: 'location', value: '../w' }],
    };
    const path = graphFile(folder, { nodes: RELU, initializers: [external] });
    await assert.rejects(readNetwork(path), {
      constructor: ModelError,
      message: /weights are in another file, \.\.\/w\. Save them in/,
    });
  });

  it('is refused if it is none, or damaged', async () => {
    await assert.rejects(readNetwork(folder), { constructor: ModelError, message: /expected a file/ });
    await assert.rejects(readNetwork(join(folder, 'none.onnx')), { constructor: ModelError, message: /can't be read/ });
    await assert.rejects(readNetwork(written(folder, Buffer.alloc(0))), /has no graph/);
    const bytes = readFileSync(networkFile(folder, { maps: 1, height: 8, width: 8 }));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), async (place, byte, isCut) => {
        const changed = Buffer.from(isCut ? bytes.subarray(0, place) : bytes);
        if (!isCut) changed[place] = byte;
        await readNetwork(written(folder, changed)).catch((error: unknown) => {
          assert.ok(error instanceof ModelError, String(error));
          assert.doesNotMatch(error.message, /\n/);
        });
      }),
      { numRuns: 200 },
    );
  });
});

it('the normalization is that of ImageNet for colours and none for one channel, or as it is given', () => {
  const imagenet = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
  assert.deepEqual(normalizationOf(undefined, 3), imagenet);
  assert.deepEqual(normalizationOf('imagenet', 3), imagenet);
  assert.deepEqual(normalizationOf('none', 3), { mean: [0, 0, 0], deviation: [1, 1, 1] });
  assert.deepEqual(normalizationOf(undefined, 1), { mean: [0], deviation: [1] });
  assert.deepEqual(normalizationOf('0.5,0.25', 3), { mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25] });
  assert.deepEqual(normalizationOf('1,2,3,4,5,6', 3), { mean: [1, 2, 3], deviation: [4, 5, 6] });
  for (const [text, channels] of [
    ['imagenet', 1],
    ['', 3],
    ['0.5', 3],
    ['0.5,0', 3],
    ['0.5,-1', 1],
    ['0.5,', 1],
    ['1,2,3', 3],
    ['1,2,3,4', 3],
    ['Infinity,1', 1],
    ['caffe', 3],
  ] as const) {
    assert.throws(() => normalizationOf(text, channels), { constructor: UsageError, message: /--normalize: expected/ });
  }
});

describe('the runtime', () => {
  it('is the one that package.json names', () => {
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(
      readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8'),
    );
    assert.equal(peerDependencies['onnxruntime-web'], RUNTIME_VERSION);
    assert.deepEqual(peerDependenciesMeta['onnxruntime-web'], { optional: true });
  });

  it('is named with the command that installs it if it is missing', async () => {
    await assert.rejects(loadRuntime(pathToFileURL(join(folder, 'file.js')).href), {
      constructor: PackageError,
      message: `Features are computed by onnxruntime-web, an optional package that is not installed: run \`npm install --no-save --save-prod onnxruntime-web@${RUNTIME_VERSION}\`.`,
    });
  });
});
