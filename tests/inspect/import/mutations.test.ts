import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { weightsFor } from '#src/inspect/import/weights.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { ModelError } from '#src/shared/util/errors.js';
import { fixture } from './outputs.ts';

const SEED = 1;
const FILES = 60;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-import-'));
after(() => rmSync(folder, { recursive: true }));

/** A file that was a model: still one, or refused as one; anything else fails the test. */
async function read(path: string): Promise<boolean> {
  try {
    const { spec } = await readModelFile(path);
    const layout = layoutOf(parseModel(spec, { maps: 1, height: 8, width: 8, classes: 5 }, path));
    await weightsFor(layout, path);
    return true;
  } catch (error) {
    assert.ok(error instanceof ModelError, (error as Error).stack);
    assert.ok(error.message.length < 2000, error.message);
    // A terminal would obey other characters.
    assert.match(error.message, /^[\x20-\x7e]*$/);
    return false;
  }
}

/** Places and what becomes of the bytes there. */
const changes = fc.array(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    bytes: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc.constant(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
    ),
    removed: fc.nat({ max: 20 }),
  }),
  { minLength: 1, maxLength: 4 },
);

function changed(original: Buffer, list: readonly { place: number; bytes: Uint8Array; removed: number }[]): Buffer {
  return list.reduce((bytes, { place, bytes: inserted, removed }) => {
    const at = Math.floor(place * bytes.length);
    return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
  }, original);
}

/** A JSON value with one of its parts replaced. */
function replaced(value: unknown, path: readonly number[], by: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined || typeof value !== 'object' || value === null) return by;
  const keys = Object.keys(value);
  const key = keys[first % keys.length];
  if (key === undefined) return by;
  const part = replaced((value as Record<string, unknown>)[key], rest, by);
  return Array.isArray(value) ? value.with(Number(key), part) : { ...value, [key]: part };
}

const oddValues = fc.oneof(
  fc.constantFrom(
    null,
    true,
    -1,
    0,
    0.5,
    1,
    2,
    1e9,
    2 ** 53,
    -(2 ** 63),
    '',
    'same',
    'relu',
    'input',
    '../x',
    '\u001b[2J',
    '__proto__',
  ),
  fc.constantFrom([], {}, [[]], [0], [-1, 1e9], [1, [2, 3]], { class_name: 'Dense' }, { __keras_tensor__: 1 }),
  fc.json().map((text): unknown => JSON.parse(text)),
);

describe('a changed file of a model', () => {
  for (const name of ['resnet-torchscript.onnx', 'vgg-torchscript.onnx', 'mlp-dynamo.onnx', 'residual.keras']) {
    it(`is a model or refused: ${name}`, async () => {
      const original = readFileSync(fixture(name));
      const path = join(folder, name);
      let refused = 0;
      const property = fc.asyncProperty(changes, async (list) => {
        writeFileSync(path, changed(original, list));
        refused += Number(!(await read(path)));
      });
      await fc.assert(property, { seed: SEED, numRuns: FILES });
      assert.ok(refused > FILES / 10, `${refused} refused`);
    });
  }

  for (const name of ['sequential.json', 'functional.json', 'mixed.json']) {
    it(`is a model or refused: ${name}`, async () => {
      const original: unknown = JSON.parse(readFileSync(fixture(name), 'utf8'));
      const path = join(folder, name);
      const paths = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 9 });
      const property = fc.asyncProperty(paths, oddValues, async (place, value) => {
        writeFileSync(path, JSON.stringify(replaced(original, place, value)));
        await read(path);
      });
      await fc.assert(property, { seed: SEED, numRuns: 4 * FILES });
    });
  }
});
