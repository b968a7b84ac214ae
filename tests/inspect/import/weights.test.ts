import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { weightsFor } from '#src/inspect/import/weights.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { ModelError } from '#src/shared/util/errors.js';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '#src/shared/util/safetensors.js';
import { fixture } from './outputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-weights-'));
after(() => rmSync(folder, { recursive: true }));

const { spec } = await readModelFile(fixture('mixed.json'));
const layout = layoutOf(parseModel(spec, undefined, 'mixed'));
const tensors = [...decodeSafetensors(readFileSync(fixture('mixed.safetensors')), 'mixed').tensors.values()];

function written(changed: readonly Tensor[]): string {
  const path = join(folder, 'net.safetensors');
  writeFileSync(path, encodeSafetensors(changed, {}));
  return path;
}

async function refused(path: string, message: RegExp): Promise<void> {
  await assert.rejects(weightsFor(layout, path), (error) => {
    assert.ok(error instanceof ModelError, (error as Error).stack);
    assert.match(error.message, message);
    return true;
  });
}

describe('weights', () => {
  it('lie in the order of the layout', async () => {
    const { weights, taken, defaults, unused } = await weightsFor(layout, written(tensors));
    for (const { name, offset, size } of layout.tensors) {
      const tensor = tensors.find((each) => each.name === name);
      assert.deepEqual(weights.slice(offset, offset + size), tensor?.data);
    }
    assert.equal(taken.length, layout.tensors.length);
    assert.deepEqual([defaults, unused], [[], []]);
  });

  it('may lack running statistics, which begin as in a new model', async () => {
    const { weights, taken, defaults } = await weightsFor(
      layout,
      written(tensors.filter(({ name }) => !name.startsWith('bn.running_'))),
    );
    assert.deepEqual(defaults, ['bn.running_mean', 'bn.running_var']);
    assert.equal(taken.length + defaults.length, layout.tensors.length);
    for (const [name, value] of [
      ['bn.running_mean', 0],
      ['bn.running_var', 1],
    ] as const) {
      const tensor = layout.tensors.find((each) => each.name === name);
      assert.ok(tensor);
      const values = weights.subarray(tensor.offset, tensor.offset + tensor.size);
      assert.ok(values.every((each) => each === value));
    }
  });

  it('must have everything else', async () => {
    const some = tensors.filter(({ name }) => !name.startsWith('fc1.'));
    await refused(written(some), /model mixed: fc1\.weight of 8x108 is missing; fc1\.bias of 8 is missing\.$/);
  });

  it('must have the shapes of the model', async () => {
    const turned = tensors.map((tensor) => (tensor.name === 'fc1.weight' ? { ...tensor, shape: [108, 8] } : tensor));
    await refused(written(turned), /fc1\.weight has 108x8, not 8x108/);
  });

  it('must be finite', async () => {
    const data = new Float32Array(4).fill(Number.NaN);
    const broken = tensors.map((tensor) => (tensor.name === 'fc2.bias' ? { ...tensor, data } : tensor));
    await refused(written(broken), /fc2\.bias holds values that aren't finite/);
  });

  it('that the model has no place for are named; those of an optimizer are not', async () => {
    const shape = [1];
    const data = new Float32Array(1);
    const more = ['optimizer.m.fc1.weight', 'other.weight'].map((name) => ({ name, shape, data }));
    assert.deepEqual((await weightsFor(layout, written([...tensors, ...more]))).unused, ['other.weight']);
  });

  it('are in no spec', () => refused(fixture('mixed.json'), /it has no weights\. Give a file that has/));

  it('of another model are refused', () => refused(fixture('vgg-torchscript.onnx'), /aren't those of the model mixed/));

  it('are in no damaged file', async () => {
    const path = join(folder, 'damaged.safetensors');
    writeFileSync(path, readFileSync(fixture('mixed.safetensors')).subarray(0, -1));
    await refused(path, /can't be read as safetensors/);
  });
});
