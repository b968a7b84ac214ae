import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type DatasetDefinition,
  DatasetError,
  defineDataset,
  defineModel,
  layers,
  ModelError,
  openDataset,
  saveDataset,
} from '#src/library/index.js';
import { LAYERS } from '#src/shared/model/kinds.js';
import { quadrants, temporaryFolder } from './made.ts';

const folder = temporaryFolder();

const PART = { inputs: Uint8Array.of(0, 1, 2, 3), labels: [0, 1] };
const SET: DatasetDefinition = { name: 'four', shape: 2, classes: 2, train: PART, test: PART };

async function* inBatches(...parts: DatasetDefinition['train'][]) {
  for (const part of parts) yield part as typeof PART;
}

describe('defineDataset', () => {
  it('is known by its contents, whether they come at once or in batches', async () => {
    const whole = await defineDataset(SET);
    const halves = inBatches(
      { inputs: Uint8Array.of(0, 1), labels: [0] },
      { inputs: Uint8Array.of(2, 3), labels: [1] },
    );
    const streamed = await defineDataset({ ...SET, train: halves });
    assert.equal(streamed.sha256, whole.sha256);
    assert.equal(streamed.train.count, 2);
    const other = await defineDataset({ ...SET, classes: ['no', 'yes'] });
    assert.notEqual(other.sha256, whole.sha256);
  });

  it('copies what it is given', async () => {
    const inputs = Uint8Array.of(0, 1, 2, 3);
    const { train } = await defineDataset({ ...SET, train: { inputs, labels: [0, 1] } });
    inputs.fill(9);
    assert.deepEqual([...train.inputs], [0, 1, 2, 3]);
  });

  it('takes numbers in place of classes', async () => {
    const part = { inputs: Float32Array.of(1, 2), targets: Float32Array.of(0.5, -0.5) };
    const { classes, classNames, train } = await defineDataset({
      shape: 1,
      outputs: ['price'],
      train: part,
      test: part,
    });
    assert.deepEqual([classes, classNames, [...train.targets]], [1, ['price'], [0.5, -0.5]]);
  });

  it('is the same after it was a file', async () => {
    const set = await quadrants();
    const file = join(folder, 'quadrants.safetensors');
    await saveDataset(set, file);
    const { sha256, name } = await openDataset(file);
    assert.deepEqual([sha256, name], [set.sha256, 'quadrants']);
  });

  const refused: readonly [string, Partial<DatasetDefinition>, RegExp][] = [
    [
      'half a sample',
      { train: { inputs: Uint8Array.of(1, 2, 3), labels: [0] } },
      /2 values each, but got 3 values \(train\)/,
    ],
    [
      'too few labels',
      { test: { inputs: PART.inputs, labels: [0] } },
      /expected 2 labels, one for each sample, but got 1 \(test\)/,
    ],
    ['a class that there is not', { train: { ...PART, labels: [0, 2] } }, /labels from 0 to 1, but sample 1 has 2/],
    ['half a class', { train: { ...PART, labels: [0, 0.5] } }, /labels from 0 to 1, but sample 1 has 0\.5/],
    ['no labels', { train: { inputs: PART.inputs } }, /expected labels, but got none/],
    [
      'no samples',
      { train: { inputs: new Uint8Array(0), labels: [] } },
      /expected samples in train, but there are none/,
    ],
    [
      'what is not finite',
      { train: { inputs: Float32Array.of(1, Number.NaN), labels: [0] } },
      /expected finite inputs/,
    ],
    [
      'bytes and floats',
      { test: { inputs: Float32Array.of(1, 2), labels: [0] } },
      /inputs of train and test of one type/,
    ],
    ['classes and outputs', { outputs: 1 }, /expected either classes or outputs, but got both/],
    ['no class', { classes: 0 }, /expected 1 to 65536 classes or outputs, but got 0/],
    ['a class without samples', { classes: 3 }, /there are none of 2/],
  ];
  for (const [what, change, message] of refused) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(defineDataset({ ...SET, ...change }), (error) => {
        assert.ok(error instanceof DatasetError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

describe('defineModel', () => {
  it('has a function for every kind of layer', () => {
    const camelCase = (kind: string) => kind.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    assert.deepEqual(Object.keys(layers).sort(), LAYERS.map(({ kind }) => camelCase(kind)).sort());
  });

  it('gives a spec that is plain JSON, with defaults and names', () => {
    const spec = defineModel({
      input: { maps: 3, height: 8, width: 8 },
      layers: [
        layers.conv({ maps: 4, kernel: 3, padding: 'same', name: 'first' }),
        layers.relu(),
        layers.add({ inputs: ['relu2', 'first'] }),
        layers.globalAveragePool(),
        layers.dense({ units: 5 }),
      ],
      head: { kind: 'softmax', labelSmoothing: 0.1 },
    });
    assert.deepEqual(JSON.parse(JSON.stringify(spec)), spec);
    assert.deepEqual(
      spec.layers.map(({ name }) => name),
      ['first', 'relu2', 'add3', 'global-average-pool4', 'dense5'],
    );
  });

  it('names the layer and the field that are wrong', () => {
    const refused = (definition: Parameters<typeof defineModel>[0], message: RegExp): void => {
      assert.throws(
        () => defineModel(definition),
        (error) => {
          assert.ok(error instanceof ModelError);
          assert.match(error.message, message);
          return true;
        },
      );
    };
    const input = { maps: 1, height: 4, width: 4 };
    refused({ input, layers: [layers.conv({ maps: 1, kernel: 5 })] }, /conv1: windows of 5x5 don't fit/);
    refused({ input, layers: [layers.dense({ units: 0 })] }, /dense1: units/);
    refused({ input, layers: [layers.relu({ inputs: ['nobody'] })] }, /relu1 reads nobody/);
    refused({ input, layers: [{ kind: 'cnv' } as never] }, /unknown kind cnv/);
    // @ts-expect-error A convolution needs maps.
    refused({ input, layers: [layers.conv({ kernel: 3 })] }, /conv1: maps/);
  });
});
