// Packed data sets as --data names them; hostile ones too.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { digestOf } from '#src/shared/data/contents-digest.js';
import { type Contents, numbered, OWN_ARRAYS, shapeOf } from '#src/shared/data/dataset.js';
import { identify } from '#src/shared/data/identify.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { findPacked } from '#src/shared/data/packed.js';
import { Parts } from '#src/shared/data/parts.js';
import { PACKED } from '#src/shared/data/sources/packed.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { bytesSource } from '#src/shared/util/byte-source.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { littleEndianView } from '#src/shared/util/safetensors.js';
import { CONTEXT } from '../../support/find-context.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-packed-'));
after(() => rm(root, { recursive: true }));

// Not by --data, which refuses classes without samples.
const find = (path: string) => PACKED.find({ path, names: undefined }, CONTEXT);
const load = async (path: string) => identify(await (await find(path)).read(OWN_ARRAYS), path);

let written = 0;
async function fileOf(...pieces: readonly Uint8Array[]): Promise<string> {
  const path = join(root, `set-${written++}.safetensors`);
  await writeFile(path, Buffer.concat(pieces));
  return path;
}

const SHAPE = { maps: 3, height: 4, width: 2 };
const SIZE = 24;
const bytes = (count: number) => Uint8Array.from({ length: count * SIZE }, (_, i) => (i * 37) % 256);
const floats = (count: number) => Float32Array.from({ length: count * SIZE }, (_, i) => Math.sin(i));
const COLOURS: Contents = {
  ...SHAPE,
  classes: 300,
  classNames: [...numbered(298), 'grün', '赤 "ink"'],
  train: { inputs: bytes(5), targets: Uint16Array.of(0, 299, 256, 3, 1), count: 5 },
  test: { inputs: bytes(2), targets: Uint16Array.of(299, 0), count: 2 },
};
const OUTPUTS: Contents = {
  ...SHAPE,
  classes: 2,
  classNames: ['price', 'age'],
  train: { inputs: floats(4), targets: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), count: 4 },
  test: { inputs: floats(3), targets: Float32Array.of(-1, -2, 0.5, 1e30, 5, 6), count: 3 },
};

describe('a packed data set', () => {
  for (const [what, contents] of [
    ['of bytes and classes', COLOURS],
    ['of floats and outputs', OUTPUTS],
    ['with how its samples were made', { ...COLOURS, preparation: { kind: 'pictures', resize: 'cover' } }],
  ] as const) {
    test(`${what} is read as it was written, into shared memory too`, async () => {
      const path = await fileOf(...packedPieces(contents, 'by a test'));
      const found = await find(path);
      assert.deepEqual(found.shape, shapeOf(contents));
      for (const arrays of [OWN_ARRAYS, new SharedMemory()]) {
        const { name, sha256, ...read } = identify(await found.read(arrays), path);
        assert.deepEqual(read, contents);
        assert.equal(sha256, digestOf(contents));
        assert.match(name, /^set-\d+$/);
      }
    });
  }

  test('without names has as many classes as it needs; targets may be bytes', async () => {
    const path = await fileOf(...withHeader({ 'train.targets': { dtype: 'U8', shape: [5] } }));
    const { classes, classNames, train } = await load(path);
    assert.deepEqual([classes, classNames, [...train.targets]], [5, numbered(5), [0, 1, 2, 3, 4]]);
    assert.ok(train.targets instanceof Uint16Array);
  });

  test('has a digest that tells values, shapes, types and names apart, and nothing else', async () => {
    const changed: readonly Partial<Contents>[] = [
      {},
      { train: { ...COLOURS.train, inputs: bytes(5).fill(7, 60, 61) } },
      { test: { ...COLOURS.test, targets: Uint16Array.of(299, 1) } },
      { maps: 4, height: 3 },
      { classNames: COLOURS.classNames.toReversed() },
      {
        train: { ...COLOURS.train, inputs: new Float32Array(5 * SIZE) },
        test: { ...COLOURS.test, inputs: new Float32Array(48) },
      },
    ];
    const digests = changed.map((change) => digestOf({ ...COLOURS, ...change }));
    assert.equal(new Set(digests).size, changed.length);
    const [first, second] = [
      await fileOf(...packedPieces(COLOURS)),
      await fileOf(...packedPieces(COLOURS, 'another day')),
    ];
    assert.deepEqual([(await load(first)).sha256, (await load(second)).sha256], [digests[0], digests[0]]);
  });

  test('comes in parts that make up the file', () => {
    const pieces = packedPieces({
      ...COLOURS,
      train: { inputs: bytes(6000), targets: new Uint16Array(6000), count: 6000 },
    });
    const parts = new Parts(pieces);
    const joined = Buffer.concat(Array.from({ length: parts.length }, (_, i) => parts.at(i) as Uint8Array));
    assert.ok(parts.length > 2 && joined.equals(Buffer.concat(pieces)));
    assert.deepEqual([parts.bytes, parts.at(parts.length)], [joined.length, undefined]);
  });
});

type Entry = { readonly dtype: string; readonly shape: readonly number[]; readonly data_offsets?: readonly number[] };
const BYTES_OF: Readonly<Record<string, number>> = { U8: 1, U16: 2, F32: 4 };
const TENSORS: Readonly<Record<string, Entry>> = {
  'train.inputs': { dtype: 'U8', shape: [5, 3, 4, 2] },
  'train.targets': { dtype: 'U16', shape: [5] },
  'test.inputs': { dtype: 'U8', shape: [2, 3, 4, 2] },
  'test.targets': { dtype: 'U16', shape: [2] },
};

/** A file of these tensors, whose bytes count up from 0 in targets, with changes; offsets follow from the shapes unless given. */
function withHeader(
  changes: Readonly<Record<string, Entry | undefined>> = {},
  metadata?: Readonly<Record<string, unknown>>,
): Buffer[] {
  let end = 0;
  const data: Buffer[] = [];
  const entries = Object.entries({ ...TENSORS, ...changes }).flatMap(([name, entry]) => {
    if (entry === undefined) return [];
    const length = Math.min(1e6, (BYTES_OF[entry.dtype] ?? 1) * entry.shape.reduce((a, b) => a * b, 1));
    const width = BYTES_OF[entry.dtype] ?? 1;
    data.push(Buffer.from(Uint8Array.from({ length }, (_, i) => (i % width === 0 ? Math.floor(i / width) : 0))));
    end += length;
    return [[name, { data_offsets: [end - length, end], ...entry }]];
  });
  const header = Buffer.from(
    JSON.stringify({ ...(metadata && { __metadata__: metadata }), ...Object.fromEntries(entries) }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return [length, header, ...data];
}

const claim = (length: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(length);
  return bytes;
};
const nan = { ...OUTPUTS, test: { ...OUTPUTS.test, inputs: floats(3).fill(Number.NaN, 70) } };
const names = (...classes: unknown[]) => withHeader({}, { classes: JSON.stringify(classes) });
const five = ['a', 'b', 'c', 'd', 'e'];

const BAD: readonly (readonly [string, readonly Uint8Array[], RegExp])[] = [
  ['that is empty', [], /expected a header, but it holds 0 bytes/],
  ['with a header of 2^60 bytes', [claim(2n ** 60n), Buffer.alloc(100)], /it claims 1152921504606846976/],
  ['with a header beyond its end', [claim(101n), Buffer.alloc(100)], /it claims 101/],
  ['with a header that is not JSON', [claim(4n), Buffer.from('{"a"')], /its header is not JSON/],
  ['with a header of a million brackets', [claim(1_000_000n), Buffer.alloc(1_000_000, '[')], /its header/],
  ['that is truncated', [Buffer.concat(withHeader()).subarray(0, -1)], /can't lie at|expected \d+ bytes/],
  ['that goes on', [...withHeader(), Buffer.alloc(1)], /expected \d+ bytes of tensors, but it holds/],
  ['without test inputs', withHeader({ 'test.inputs': undefined }), /but it lacks test.inputs/],
  ['with another tensor', withHeader({ more: { dtype: 'U8', shape: [1] } }), /but it has more too/],
  [
    'of another type',
    withHeader({ 'train.inputs': { dtype: 'F64', shape: [5, 3, 4, 2] } }),
    /expected U8 or U16 or F32/,
  ],
  [
    'with overlapping tensors',
    withHeader({ 'test.targets': { dtype: 'U16', shape: [2], data_offsets: [0, 4] } }),
    /can't lie at/,
  ],
  ['with negative sizes', withHeader({ 'test.targets': { dtype: 'U16', shape: [-2] } }), /shape/],
  [
    'whose sizes overflow',
    withHeader({ 'train.inputs': { dtype: 'U8', shape: [5, 2 ** 40, 2 ** 40, 2 ** 40], data_offsets: [0, 1e6] } }),
    /can't lie at/,
  ],
  [
    'of three dimensions',
    withHeader({ 'train.inputs': { dtype: 'U8', shape: [5, 12, 2] } }),
    /its inputs: expected the same|n, maps/,
  ],
  [
    'with a target too few',
    withHeader({ 'train.targets': { dtype: 'U16', shape: [4] } }),
    /U8 \[5, 3, 4, 2\] and U16 \[4\]/,
  ],
  [
    'with test samples of another shape',
    withHeader({ 'test.inputs': { dtype: 'U8', shape: [2, 3, 2, 4] } }),
    /same for training and test/,
  ],
  [
    'with outputs in one part alone',
    withHeader({ 'test.targets': { dtype: 'F32', shape: [2, 1] } }),
    /same for training and test/,
  ],
  [
    'that is empty in a part',
    withHeader({ 'test.inputs': { dtype: 'U8', shape: [0, 3, 4, 2] }, 'test.targets': { dtype: 'U16', shape: [0] } }),
    /a part of it is empty/,
  ],
  ['that names too few classes', names(...five.slice(0, 4)), /a sample is of class 4, but it names 4 classes/],
  ['with two classes of one name', names(...five, 'a'), /a name twice/],
  ['with a class without a name', names(...five, ''), /classes: 5 /],
  ['with a name that steers a terminal', names(...five, 'a\u001b[2J'), /5 has a control character/],
  ['with a name of a million characters', names(...five, 'a'.repeat(900_000)), /classes: 5 /],
  ['with classes that are no list', withHeader({}, { classes: '{"a": 1}' }), /its metadata's classes/],
  ['with classes that are no JSON', withHeader({}, { classes: 'cat, dog' }), /can't be read as JSON/],
  ['made in an unknown way', withHeader({}, { preparation: '{"kind": "magic"}' }), /its metadata's preparation: kind/],
  [
    'made of columns without a deviation',
    withHeader(
      {},
      {
        preparation: JSON.stringify({
          kind: 'table',
          target: 'y',
          columns: [{ kind: 'number', name: 'x', mean: 0, deviation: 0 }],
        }),
      },
    ),
    /its metadata's preparation: columns 0 deviation/,
  ],
  ['with a value that is not finite', packedPieces(nan), /isn't finite/],
];

for (const [what, pieces, message] of BAD) {
  test(`a packed file ${what} is refused`, async () => {
    const path = await fileOf(...pieces);
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(load(path), (error) => {
      assert.ok(error instanceof DatasetError, String(error));
      assert.equal(error.exitCode, 2);
      assert.ok(error.message.startsWith(path) && error.message.length < 1000, error.message);
      assert.match(error.message, message);
      return true;
    });
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 25, 'memory was taken for what a header claims');
  });
}

test('any change of a packed file is another data set of the same shape, or a DatasetError', async () => {
  const whole = Buffer.concat(packedPieces(COLOURS));
  const digest = digestOf(COLOURS);
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] as number) ^ change;
      try {
        const contents = await (await findPacked(bytesSource('some-file', bytes))).read(OWN_ARRAYS);
        const isSame = digestOf(contents) === digest;
        assert.equal(littleEndianView(contents.train.inputs).length, 5 * SIZE);
        // Spaces, and the order of what JSON may order, carry nothing.
        if (isSame) assert.ok(at < whole.length - 182, `byte ${at}`);
      } catch (error) {
        assert.ok(error instanceof DatasetError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
