import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ModelProto } from '#src/inspect/export/onnx-schema.js';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { assertSameOutputs, expectedIn, fixture } from './outputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-onnx-'));
after(() => rmSync(folder, { recursive: true }));

describe('an ONNX file of PyTorch', () => {
  for (const exporter of ['torchscript', 'dynamo']) {
    for (const model of ['resnet', 'vgg', 'mlp']) {
      it(`has the same outputs here: ${model} by ${exporter}`, async () => {
        const path = fixture(`${model}-${exporter}.onnx`);
        const end = model === 'mlp' ? 'softmax' : 'logits';
        await assertSameOutputs(path, path, expectedIn(`${model}-${exporter}.outputs.safetensors`, end));
      });
    }
  }
});

interface Tensor {
  name: string;
  rawData: Uint8Array;
  floatData: number[];
  externalData: { key: string; value: string }[];
  dataLocation: number;
}

interface Graph {
  initializer: Tensor[];
  input: { name: string }[];
}

describe('weights in an ONNX file', () => {
  const original = fixture('resnet-dynamo.onnx');

  async function assertSame(change: (graph: Graph) => void): Promise<void> {
    const model = ModelProto.decode(readFileSync(original));
    change((model as unknown as { graph: Graph }).graph);
    const path = join(folder, 'resnet-dynamo.onnx');
    writeFileSync(path, ModelProto.encode(model).finish());
    assert.deepEqual(await readModelFile(path), await readModelFile(original));
  }

  it('may be in a file beside it', () =>
    assertSame((graph) => {
      const parts: Uint8Array[] = [];
      let offset = 0;
      for (const tensor of graph.initializer) {
        const { rawData } = tensor;
        const entries = { location: 'net.data', offset: String(offset), length: String(rawData.length) };
        tensor.externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
        tensor.dataLocation = 1;
        tensor.rawData = new Uint8Array();
        parts.push(rawData);
        offset += rawData.length;
      }
      writeFileSync(join(folder, 'net.data'), Buffer.concat(parts));
    }));

  it('may be lists of numbers', () =>
    assertSame((graph) => {
      for (const tensor of graph.initializer.filter(({ name }) => /weight|bias/.test(name))) {
        tensor.floatData = [...new Float32Array(new Uint8Array(tensor.rawData).buffer)];
        tensor.rawData = new Uint8Array();
      }
    }));

  it('may be named among the inputs, as older files do', () =>
    assertSame((graph) => graph.input.push(...graph.initializer.map(({ name }) => ({ name })))));
});
