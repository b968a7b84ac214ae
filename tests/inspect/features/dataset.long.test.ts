// Features of data sets, by the runtime itself.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { encode } from 'fast-png';
import { openFeatures } from '#src/inspect/features/dataset.js';
import { readNetwork } from '#src/inspect/features/network.js';
import { normalizationOf } from '#src/inspect/features/normalization.js';
import { RUNTIME_VERSION, runtimeName } from '#src/inspect/features/runtime.js';
import type { Contents } from '#src/shared/data/dataset.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { PREPARATION } from '#src/shared/data/preparation.js';
import { DatasetError, ModelError, UsageError } from '#src/shared/util/errors.js';
import { madePixels } from '../../support/pictures.ts';
import { skipFeatures } from './available.ts';
import { type Graph, graphFile, networkFile, node } from './networks.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-features-'));
after(() => rmSync(folder, { recursive: true }));

const MEAN = [0.5, 0.25, 1];
const DEVIATION = [2, 4, 8];
const FLATTEN = node('Flatten', ['x'], 'y');

let sets = 0;
/** A packed data set of bytes. @returns its path */
function setFile(
  shape: { maps: number; height: number; width: number },
  count: number,
  value = (i: number) => i % 256,
): string {
  const size = shape.maps * shape.height * shape.width;
  const contents: Contents = {
    ...{ ...shape, classes: 2, classNames: ['one', 'two'] },
    train: {
      inputs: Uint8Array.from({ length: count * size }, (_, i) => value(i)),
      targets: alternating(count),
      count,
    },
    test: { inputs: Uint8Array.from({ length: 2 * size }, (_, i) => value(7 * i)), targets: alternating(2), count: 2 },
  };
  return packed(contents);
}

function alternating(count: number): Uint16Array {
  return Uint16Array.from({ length: count }, (_, i) => i % 2);
}

function packed(contents: Contents): string {
  const file = join(folder, `set-${sets++}.safetensors`);
  writeFileSync(file, Buffer.concat(packedPieces(contents)));
  return file;
}

interface Options {
  readonly layer?: string;
  readonly normalize?: string;
  readonly show?: (text: string) => void;
}

async function featuresOf(flag: string, path: string, { layer, normalize, show = () => {} }: Options = {}) {
  const network = await readNetwork(path, { layer });
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  const normalization = normalizationOf(normalize, network.input.shape.maps);
  return openFeatures({ flag, env, print: () => {}, show }, network, normalization);
}

describe('features', { skip: skipFeatures }, () => {
  it('are what the network makes of normalized pictures, with the set’s parts, targets and names', async () => {
    const file = setFile({ maps: 3, height: 2, width: 2 }, 4, (i) => (11 * i) % 256);
    const shown: string[] = [];
    const show = (text: string): number => shown.push(text);
    const path = graphFile(folder, { nodes: [FLATTEN] });
    const dataset = await featuresOf(file, path, { normalize: [...MEAN, ...DEVIATION].join(','), show });
    const { maps, height, width, classNames, train, test } = dataset;
    assert.deepEqual([maps, height, width, classNames, train.count, test.count], [12, 1, 1, ['one', 'two'], 4, 2]);
    assert.deepEqual([...train.targets], [0, 1, 0, 1]);
    const expected = Float32Array.from({ length: 48 }, (_, i) => {
      const map = Math.floor(i / 4) % 3;
      return (((11 * i) % 256) / 255 - (MEAN[map] as number)) / (DEVIATION[map] as number);
    });
    assert.deepEqual(train.inputs, expected);
    assert.deepEqual(shown, [
      'Computing the features of 6 pictures: 67 %',
      'Computing the features of 6 pictures: 100 %',
      '',
    ]);
    assert.deepEqual(dataset.preparation, {
      kind: 'features',
      ...{ resize: 'cover', sample: { maps: 3, height: 2, width: 2 }, layer: 'y' },
      network: { file: path.slice(folder.length + 1), sha256: (await readNetwork(path)).sha256 },
      normalization: { mean: MEAN, deviation: DEVIATION },
      runtime: `onnxruntime-web ${RUNTIME_VERSION}`,
    });
    assert.ok(PREPARATION.safeParse(dataset.preparation).success);
  });

  it('are of each picture by itself, whatever number a network takes, channels first or last', async () => {
    const path = graphFile(folder, { nodes: [node('Neg', ['x'], 'y')], input: [5, 2, 2, 3] });
    const file = setFile({ maps: 3, height: 2, width: 2 }, 6);
    const { maps, train } = await featuresOf(file, path, { normalize: 'none' });
    const values = (i: number): number => Math.floor(i / 12) * 12 + (i % 3) * 4 + Math.floor((i % 12) / 3);
    const expected = Float32Array.from({ length: 72 }, (_, i) => -(values(i) / 255));
    assert.deepEqual([maps, train.inputs], [12, expected]);
  });

  it('have the same bits on every machine', async () => {
    const network = networkFile(folder, { maps: 3, height: 16, width: 16 });
    const set = setFile({ maps: 1, height: 20, width: 24 }, 40, (i) => (i * i + 3 * i) % 256);
    const { sha256, maps } = await featuresOf(set, network, { layer: 'features' });
    assert.deepEqual([maps, sha256], [20, '9dd0e19633d98bafd07500ce99478dacb4e66955960efaa157ce3d579ec0bc83']);
  });
});

it('are computed by the version that package.json names', { skip: skipFeatures }, async () => {
  assert.equal(await runtimeName(), `onnxruntime-web ${RUNTIME_VERSION}`);
});

describe('features of a folder of pictures', { skip: skipFeatures }, () => {
  const pictures = join(folder, 'pictures');
  for (const [k, name] of ['blue', 'red'].entries()) {
    for (let i = 0; i < 4; i++) save(`${name}/${i}.png`, madePixels(10 + i, 9, 1 + k + 2 * i));
  }

  function save(name: string, data: Uint8Array): void {
    const path = join(pictures, name);
    mkdirSync(dirname(path), { recursive: true });
    const width = data.length / 27;
    writeFileSync(path, encode({ width, height: 9, channels: 3, data }));
  }

  it('are refused with the picture’s name if they aren’t finite', async () => {
    save('red/black.png', new Uint8Array(27 * 9));
    const path = graphFile(folder, {
      nodes: [node('Log', ['x'], 't'), node('Flatten', ['t'], 'y')],
      input: ['N', 3, 3, 3],
    });
    const message =
      /^The features of red\/black\.png must be finite numbers, but the one at place 0 is -Infinity\. Remove it/;
    await assert.rejects(featuresOf(pictures, path, { normalize: 'none' }), { constructor: DatasetError, message });
  });
});

describe('features are refused', { skip: skipFeatures }, () => {
  const file = setFile({ maps: 3, height: 2, width: 2 }, 4);
  const graphs: readonly (readonly [string, Graph, RegExp])[] = [
    [
      'a circle',
      { nodes: [node('Add', ['x', 'b'], 'a'), node('Relu', ['a'], 'b'), node('Relu', ['a'], 'y')] },
      /This is an invalid model/,
    ],
    [
      'one value for all',
      { nodes: [node('ReduceSum', ['x'], 'y')], input: [2, 3, 2, 2] },
      /they are 1x1x1x1 for 2 pictures/,
    ],
  ];
  for (const [name, graph, reason] of graphs) {
    it(`of a network of ${name}`, async () => {
      const path = graphFile(folder, graph);
      await assert.rejects(featuresOf(file, path), (error) => {
        assert.ok(error instanceof ModelError && error.exitCode === 2);
        assert.ok(error.message.startsWith(`${path}: its features can't be had: `));
        assert.match(error.message, reason);
        assert.doesNotMatch(error.message, /\n|ERROR_CODE|\.cc:/);
        return true;
      });
    });
  }

  it('of samples that are no pictures', async () => {
    const path = graphFile(folder, { nodes: [FLATTEN] });
    const table = join(folder, 'table.csv');
    writeFileSync(table, `a,b\n${Array.from({ length: 40 }, (_, i) => `${i}.5,${i % 2}\n`).join('')}`);
    const options = {
      flag: table,
      env: { XDG_CACHE_HOME: join(folder, 'cache') },
      print: () => {},
      reading: { target: 'b' },
    };
    const rows = openFeatures(options, await readNetwork(path), normalizationOf(undefined, 3));
    const message = /^--features: expected pictures, .* but the samples are 1@1x1 of floats\. Leave it out\.$/;
    await assert.rejects(rows, { constructor: UsageError, message });
    await assert.rejects(
      featuresOf(setFile({ maps: 2, height: 4, width: 4 }, 4), path),
      /the samples are 2@4x4\. Leave/,
    );
    await assert.rejects(
      featuresOf(setFile({ maps: 3, height: 1, width: 1 }, 4), path),
      /the samples are 3@1x1\. Leave/,
    );
  });
});
