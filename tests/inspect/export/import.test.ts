import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decodeWeights, importedCheckpoint } from '#src/inspect/export/import.js';
import { metadataOf } from '#src/inspect/export/metadata.js';
import type { Network } from '#src/inspect/export/network.js';
import { encodeWeights } from '#src/inspect/export/safetensors.js';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  tensorsOf,
  trainingStateOf,
  UNKNOWN,
} from '#src/shared/checkpoint/checkpoint.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { CheckpointError } from '#src/shared/util/errors.js';
import { decodeSafetensors, encodeSafetensors, type Tensor } from '#src/shared/util/safetensors.js';
import { specFrom } from '../../support/models.ts';
import { lenets, networkOf, randomNetwork } from './networks.ts';

const FILE = 'some-file';
const [softmax, rbf] = lenets.map(({ spec }) => randomNetwork(spec, 51)) as [Network, Network];

function tensors({ layout, weights }: Network): Tensor[] {
  return tensorsOf(layout, '', weights);
}

/** The softmax network's tensors with another spec. */
function withSpec(spec: object): Buffer {
  return encodeSafetensors(tensors(softmax), { spec: JSON.stringify(spec) });
}

/** The softmax network's file with its header's text changed. */
function withHeader(change: (header: string) => string): Buffer {
  const bytes = encodeSafetensors(tensors(softmax), {});
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = Buffer.from(change(bytes.toString('utf8', 8, end)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, bytes.subarray(end)]);
}

function assertRefused(bytes: Uint8Array, ...parts: (string | RegExp)[]): void {
  assert.throws(
    () => decodeWeights(bytes, FILE),
    (error) => {
      assert.ok(error instanceof CheckpointError, String(error));
      assert.equal(error.exitCode, 2);
      assert.ok(error.message.startsWith(FILE), error.message);
      assert.ok(error.message.length < 1000);
      assert.match(error.message, /^[\x20-\x7e]*$/);
      for (const part of parts) assert.match(error.message, part instanceof RegExp ? part : new RegExp(part));
      return true;
    },
  );
}

describe('an exported file', () => {
  for (const network of [softmax, rbf]) {
    const { kind } = network.layout.spec.head;

    test(`holds the weights alone, and says what they are (${kind})`, () => {
      const { tensors, metadata } = decodeSafetensors(encodeWeights(network), FILE);
      assert.deepEqual(
        [...tensors.values()].map(({ name, shape }) => ({ name, shape })),
        network.layout.tensors.map(({ name, shape }) => ({ name, shape })),
      );
      assert.deepEqual(Object.keys(metadata), [
        ...['config', 'digests', 'head', 'model', 'producer', 'run', 'spec', 'step', 'weightsSha256'],
      ]);
      assert.deepEqual(JSON.parse(metadata.spec ?? ''), network.layout.spec);
    });

    test(`keeps the names of the classes and how samples are made (${kind})`, () => {
      const classNames = Array.from({ length: 10 }, (_, k) => `kind ${k}`);
      const samples = { classNames, preparation: { kind: 'pictures', resize: 'cover' } } as const;
      const origin = { step: 3, config: { head: kind, rbfJ: 0.1 }, digests: { dataset: 'a', numerics: 'b' } };
      const metadata = metadataOf(network, { ...origin, ...samples }, undefined);
      assert.deepEqual(JSON.parse(metadata.classes ?? ''), classNames);
      assert.deepEqual(JSON.parse(metadata.preparation ?? ''), samples.preparation);
      const imported = decodeWeights(encodeWeights({ ...network, metadata }), FILE);
      const checkpoint = decodeCheckpoint(importedCheckpoint(imported), FILE);
      assert.deepEqual([checkpoint.classNames, checkpoint.preparation], [classNames, samples.preparation]);
    });

    test(`comes back as the checkpoint that it was, but for the optimizer (${kind})`, () => {
      const imported = decodeWeights(encodeWeights(network), FILE);
      assert.equal(imported.origin, 'kept');
      const checkpoint = decodeCheckpoint(importedCheckpoint(imported), FILE);
      assert.equal(checkpoint.step, Number(network.metadata.step));
      assert.equal(checkpoint.config.head, kind);
      assert.equal(checkpoint.digests.dataset, 'a'.repeat(64));
      const state = trainingStateOf(checkpoint, network.layout);
      assert.deepEqual(state.weights, network.weights);
      assert.equal(
        state.optimizer.m.findIndex((m) => m !== 0),
        -1,
      );
    });
  }

  for (const { layout, weights, metadata } of [softmax, rbf]) {
    const { kind } = layout.spec.head;
    test(`of version 0.1.0 comes back as well (${kind})`, () => {
      // The padding was the input's, activations were dense layers', and the head had a name and parameters.
      const spec = {
        name: 'lenet5',
        input: { height: 28, width: 28, padding: 2 },
        layers: [{ kind: 'conv', name: 'c1', maps: 6, kernel: 5 }],
        head: { kind, name: 'output', classes: 10 },
      };
      const file = encodeSafetensors(tensorsOf(layout, '', weights), { ...metadata, spec: JSON.stringify(spec) });
      const imported = decodeWeights(file, FILE);
      assert.equal(imported.origin, 'kept');
      assert.deepEqual(imported.layout.spec, layout.spec);
      assert.deepEqual(imported.weights, weights);
    });
  }

  test('of any model comes back with its state, changed or not', () => {
    const spec = specFrom([
      { kind: 'conv', maps: 3, kernel: 5, stride: 2 },
      { kind: 'batch-norm' },
      { kind: 'dense', units: 4 },
    ]);
    const layout = layoutOf(spec);
    const network = networkOf(
      layout,
      Float32Array.from({ length: layout.parameters }, (_, i) => i),
      { model: spec },
    );
    const imported = decodeWeights(encodeWeights(network), FILE);
    assert.equal(imported.origin, 'kept');
    assert.deepEqual(imported.weights, network.weights);
    const checkpoint = decodeCheckpoint(importedCheckpoint(imported), FILE);
    assert.deepEqual(trainingStateOf(checkpoint, layout).weights, network.weights);
    const changed = decodeWeights(encodeWeights({ ...network, weights: network.weights.map((w) => -w) }), FILE);
    assert.deepEqual([changed.origin, changed.config.model, changed.layout.spec], ['changed', spec, spec]);
  });

  test('loses its origin where a weight was changed', () => {
    const weights = softmax.weights.slice();
    weights[100] = 2;
    const imported = decodeWeights(encodeWeights({ ...softmax, weights }), FILE);
    assert.deepEqual(
      [imported.origin, imported.step, imported.config, imported.digests],
      ['changed', 0, { head: 'softmax', rbfJ: 0.1 }, { dataset: UNKNOWN, numerics: UNKNOWN }],
    );
    assert.deepEqual(imported.weights, weights);
  });
});

describe("another program's file", () => {
  test('needs no metadata, and may have its tensors in any order', () => {
    for (const network of [softmax, rbf]) {
      const imported = decodeWeights(encodeSafetensors(tensors(network).reverse(), { format: 'pt' }), FILE);
      assert.equal(imported.origin, 'none');
      assert.equal(imported.layout.spec.head.kind, network.layout.spec.head.kind);
      assert.deepEqual(imported.weights, network.weights);
    }
  });

  test('is refused with what it lacks and what it has too much', () => {
    assertRefused(
      encodeSafetensors(tensors(softmax).slice(0, -1), {}),
      /^some-file can't be imported: it lacks output\.bias of 10\./,
      'lockstep export --format safetensors',
    );
    const renamed = tensors(softmax).map((tensor) => ({ ...tensor, name: `model.\u001b[31m${tensor.name}` }));
    assertRefused(
      encodeSafetensors(renamed, {}),
      /it lacks c1\.weight of 6x5x5, c1\.bias of 6, .* and 10 more; it holds model\.\?\[31mc1\.weight, .* and 10 more/,
    );
    const extra = { name: 'output.targets', shape: [1], data: Float32Array.of(1) };
    assertRefused(encodeSafetensors([...tensors(rbf), extra], {}), 'output.targets|output.weight');
    assertRefused(encodeSafetensors([], {}), 'it lacks c1.weight');
  });

  test('is refused with the shape that a tensor should have', () => {
    const shaped = tensors(softmax).map((tensor) =>
      tensor.name === 'c1.weight' ? { ...tensor, shape: [6, 1, 5, 5] } : tensor,
    );
    assertRefused(encodeSafetensors(shaped, {}), 'expected c1.weight of 6x5x5, not 6x1x5x5');
  });

  test('is refused where a type is another', () => {
    for (const type of ['F16', 'BF16', 'F64', 'I32', 'F8_E4M3']) {
      assertRefused(
        withHeader((header) => header.replace('"F32"', `"${type}"`)),
        `c1.weight.dtype: expected F32, but it is "${type}"`,
        'float32',
      );
    }
  });

  test('is refused where a value is not finite', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const weights = softmax.weights.slice();
      weights[softmax.layout.tensors[3]?.offset ?? 0] = value;
      assertRefused(encodeWeights({ ...softmax, weights }), `s2.bias, is ${value}`);
    }
  });

  test('is refused where it is a checkpoint, or of another network', () => {
    const { layout, weights } = softmax;
    const info = { step: 0, config: {}, digests: { dataset: 'a', numerics: 'b' }, optimizerName: 'adam' };
    const checkpoint = encodeCheckpoint({ ...info, layout, weights, optimizer: { m: weights, v: undefined } });
    assertRefused(checkpoint, 'it is a checkpoint of Lockstep already');
    assertRefused(
      withSpec({ ...layout.spec, layers: layout.spec.layers.slice(0, -1) }),
      'output.weight.*which the network',
    );
  });

  test("is refused where its metadata's spec is none", () => {
    const { spec } = softmax.layout;
    const [padding, conv, ...others] = spec.layers;
    assertRefused(withSpec({ ...spec, layers: [] }), "metadata's spec: layers");
    assertRefused(withSpec({ ...spec, layers: [padding, { ...conv, inputs: ['s2'] }, ...others] }), 'c1 reads s2');
    assertRefused(withSpec({ ...spec, layers: [padding, { ...conv, maps: 2 ** 40 }, ...others] }), 'c1: maps');
    const wide = { ...conv, kernel: [1024, 1024], padding: 'same', maps: 65_535, table: undefined };
    assertRefused(withSpec({ ...spec, layers: [padding, wide, ...others] }), 's2|c1|parameters');
    assertRefused(encodeSafetensors(tensors(softmax), { spec: '{' }), 'imported');
  });

  test('is refused where its header is hostile', () => {
    const sound = encodeSafetensors(tensors(softmax), {});
    const header = (length: bigint): Buffer => {
      const bytes = Buffer.from(sound);
      bytes.writeBigUInt64LE(length);
      return bytes;
    };
    assertRefused(Buffer.alloc(0), 'expected a header');
    assertRefused(header(2n ** 63n), 'it claims 9223372036854775808');
    assertRefused(header(1n << 30n), 'expected a header of at most');
    assertRefused(header(5n), 'its header is not JSON');
    assertRefused(sound.subarray(0, -4), "can't lie at");
    assertRefused(Buffer.concat([sound, Buffer.alloc(4)]), 'expected 2.* bytes of tensors');
    assertRefused(withHeader((text) => text.replace('[6,5,5]', '[9007199254740991,9007199254740991]')));
    assertRefused(withHeader((text) => text.replace('[6,5,5]', '[-6,-5,5]')));
    assertRefused(withHeader((text) => text.replace('"c1.bias"', '"c1.weight"')));
    assertRefused(withHeader((text) => text.replace('"c1.bias"', '"__proto__"')));
    assertRefused(withHeader(() => `${'['.repeat(500_000)}`));
  });

  test('gives weights or a refusal, whatever byte was altered', () => {
    const sound = encodeWeights(softmax);
    const end = 8 + Number(Buffer.from(sound).readBigUInt64LE());
    fc.assert(
      fc.property(fc.nat(end + 200), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const bytes = Buffer.from(sound);
        bytes[at] = byte;
        try {
          const { origin } = decodeWeights(bytes, FILE);
          assert.ok(at < end || origin === (byte === sound[at] ? 'kept' : 'changed'));
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
        }
      }),
      { numRuns: 200 },
    );
  });
});
