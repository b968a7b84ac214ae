import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  knownSamples,
  trainingStateOf,
  weightsSha256,
} from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName, readCheckpoint, writeCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import { numbered } from '#src/shared/data/dataset.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { canonicalJson } from '#src/shared/util/canonical-json.js';
import { CheckpointError } from '#src/shared/util/errors.js';
import { type FileOperations, fileOperations } from '#src/shared/util/replace-file.js';
import { decodeSafetensors, encodeSafetensors } from '#src/shared/util/safetensors.js';
import { layoutFrom, lenet5 } from '../../support/models.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-checkpoint-'));
after(() => rm(root, { recursive: true }));

const tiny = (output = 'output', units = 2) =>
  layoutFrom([{ kind: 'dense', name: 'a', units: 2 }, { kind: 'relu' }, { kind: 'dense', name: output, units }], {
    input: { maps: 1, height: 1, width: 1 },
  });
const layout = tiny();

const values = (salt: number) => Float32Array.from({ length: layout.parameters }, (_, i) => (i - 4) / 8 + salt);

const state = {
  layout,
  weights: values(0),
  optimizer: { m: values(1), v: values(2) },
  step: 100,
  config: { seed: 1, head: 'softmax', nested: { b: [1, { y: 2, x: 1 }], a: null } },
  digests: { numerics: 'b'.repeat(64), dataset: 'a'.repeat(64) },
  optimizerName: 'adam',
};

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A safetensors file from a header's text, with the digest filled in where the header has room for it. */
function sealed(header: string, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  const bytes = Buffer.concat([length, Buffer.from(header), data]);
  const digits = bytes.indexOf('0'.repeat(64));
  if (digits >= 0) bytes.write(sha256(bytes), digits);
  return bytes;
}

function assertDamaged(decode: () => unknown, what = ''): void {
  assert.throws(
    decode,
    (error) => error instanceof CheckpointError && error.exitCode === 2 && error.message.startsWith('some-file '),
    what,
  );
}

test('what is known of the samples is kept, and checked when it is read', () => {
  const classNames = numbered(10).map((k) => `class ${k} "é"`);
  const train = { inputs: new Float32Array(1), targets: new Uint16Array(1), count: 1 };
  const known = knownSamples({ classNames, train });
  const { classNames: names, inputs } = decodeCheckpoint(encodeCheckpoint({ ...state, ...known }), 'some-file');
  assert.deepEqual([names, inputs], [classNames, 'float32']);
  // Numbers, bytes, and names that would fill the header aren't worth a word.
  const bytes = { ...train, inputs: new Uint8Array(1) };
  const long = numbered(2000).map((k) => `${k}${'x'.repeat(90)}`);
  for (const without of [numbered(10), long])
    assert.deepEqual(
      encodeCheckpoint({ ...state, ...knownSamples({ classNames: without, train: bytes }) }),
      encodeCheckpoint(state),
    );
  for (const bad of [[], [''], ['a', 'a'], ['a\u001b'], ['x'.repeat(101)]])
    assertDamaged(() => decodeCheckpoint(encodeCheckpoint({ ...state, classNames: bad }), 'some-file'), String(bad));
});

test('the bytes of a checkpoint are pinned', () => {
  const bytes = encodeCheckpoint(state);
  const length = Number(bytes.readBigUInt64LE());
  const header = bytes.subarray(8, 8 + length).toString();
  const tensor = (name: string, shape: readonly number[], begin: number, end: number) =>
    `"${name}":{"dtype":"F32","shape":[${shape}],"data_offsets":[${begin},${end}]}`;
  const group = (prefix: string, at: number) => [
    tensor(`${prefix}a.weight`, [2, 1], at, at + 8),
    tensor(`${prefix}a.bias`, [2], at + 8, at + 16),
    tensor(`${prefix}output.weight`, [2, 2], at + 16, at + 32),
    tensor(`${prefix}output.bias`, [2], at + 32, at + 40),
  ];
  const config =
    '{\\"head\\":\\"softmax\\",\\"nested\\":{\\"a\\":null,\\"b\\":[1,{\\"x\\":1,\\"y\\":2}]},\\"seed\\":1}';
  const digests = `{\\"dataset\\":\\"${'a'.repeat(64)}\\",\\"numerics\\":\\"${'b'.repeat(64)}\\"}`;
  const digest = '43737870eebba6c2c8958957c2963adf7a07e3de7eb211bb0b304f31611f20e9';
  const metadata = `"__metadata__":{"config":"${config}","digests":"${digests}","optimizer":"adam","sha256":"${digest}","step":"100"}`;
  const tensors = [group('', 0), group('optimizer.m.', 40), group('optimizer.v.', 80)].flat();
  assert.equal(header.trimEnd(), `{${[metadata, ...tensors].join(',')}}`);
  assert.equal((8 + length) % 8, 0);
  assert.equal(bytes.length, 8 + length + 120);
  assert.equal(sha256(bytes), '191e80d99311336aaa6598939af5572420ec945a809bcab364083de87fc214a6');
  const zeroed = Buffer.from(bytes);
  zeroed.write('0'.repeat(64), bytes.indexOf(digest));
  assert.equal(sha256(zeroed), digest);
});

test('a decoded checkpoint gives back what was encoded', () => {
  const { weights, optimizer, layout: _, ...info } = state;
  const checkpoint = decodeCheckpoint(encodeCheckpoint({ ...state, chain: 'c'.repeat(64) }), 'some-file');
  const { step, config, digests, optimizerName, chain } = checkpoint;
  assert.deepEqual({ step, config, digests, optimizerName }, info);
  assert.equal(chain, 'c'.repeat(64));
  assert.deepEqual([...checkpoint.tensors.keys()].slice(3, 5), ['output.bias', 'optimizer.m.a.weight']);
  assert.deepEqual(trainingStateOf(checkpoint, layout), { weights, optimizer });
});

test('SGD has one moment', () => {
  const bytes = encodeCheckpoint({ ...state, optimizer: { m: values(1), v: undefined }, optimizerName: 'sgd' });
  const checkpoint = decodeCheckpoint(bytes, 'some-file');
  assert.equal(checkpoint.tensors.size, 8);
  assert.equal(checkpoint.chain, undefined);
  assert.deepEqual(trainingStateOf(checkpoint, layout).optimizer, { m: values(1), v: undefined });
});

test('any state survives the round trip bit for bit, through shared memory and at any alignment', () => {
  const array = fc.float32Array({ minLength: layout.parameters, maxLength: layout.parameters });
  const json = fc
    // Zod drops a key of this name, which no config has.
    .dictionary(
      fc.string({ unit: 'binary' }).filter((key) => key !== '__proto__'),
      fc.jsonValue(),
    )
    .map((config) => JSON.parse(JSON.stringify(config)));
  fc.assert(
    fc.property(array, array, json, fc.nat(), fc.nat(7), (weights, m, config, step, shift) => {
      const shared = new Float32Array(new SharedArrayBuffer(4 * layout.parameters));
      shared.set(weights);
      const encoded = encodeCheckpoint({ ...state, weights: shared, optimizer: { m, v: undefined }, config, step });
      shared.fill(0);
      const bytes = new Uint8Array(shift + encoded.length).subarray(shift);
      bytes.set(encoded);
      const checkpoint = decodeCheckpoint(bytes, 'some-file');
      assert.equal(canonicalJson(checkpoint.config), canonicalJson(config));
      assert.equal(checkpoint.step, step);
      const decoded = trainingStateOf(checkpoint, layout);
      assert.deepEqual(Buffer.from(decoded.weights.buffer), Buffer.from(weights.buffer));
      assert.deepEqual(Buffer.from(decoded.optimizer.m.buffer), Buffer.from(m.buffer));
    }),
  );
});

test('every flipped bit is found', () => {
  const bytes = encodeCheckpoint(state);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assertDamaged(() => decodeCheckpoint(flipped, 'some-file'), `bit ${bit}`);
  }
});

test('every truncation and any added byte is found', () => {
  const bytes = encodeCheckpoint(state);
  for (let length = 0; length < bytes.length; length++) {
    assertDamaged(() => decodeCheckpoint(bytes.subarray(0, length), 'some-file'), `${length} bytes`);
  }
  assertDamaged(() => decodeCheckpoint(Buffer.concat([bytes, Buffer.alloc(1)]), 'some-file'));
});

test('any bytes at all give a CheckpointError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => assertDamaged(() => decodeCheckpoint(bytes, 'some-file'))),
  );
  fc.assert(fc.property(fc.json(), (text) => assertDamaged(() => decodeCheckpoint(sealed(text), 'some-file'))));
});

const entry = (shape: unknown, offsets: unknown, dtype = 'F32') => ({ dtype, shape, data_offsets: offsets });
const BAD_HEADERS: readonly (readonly [string, unknown])[] = [
  ['an array', []],
  ['another type', { a: entry([2], [0, 8], 'F64') }],
  ['a gap', { a: entry([1], [0, 4]), b: entry([1], [5, 8]) }],
  ['an overlap', { a: entry([2], [0, 8]), b: entry([1], [4, 8]) }],
  ['a late start', { a: entry([1], [4, 8]) }],
  ['bytes left over', { a: entry([1], [0, 4]) }],
  ['an end beyond the file', { a: entry([4], [0, 16]) }],
  ['offsets that run backwards', { a: entry([2], [0, 8]), b: entry([1], [8, 4]) }],
  ['a shape of another size', { a: entry([3], [0, 8]) }],
  ['a negative side', { a: entry([-1, -2], [0, 8]) }],
  ['a fraction of a side', { a: entry([0.5, 4], [0, 8]) }],
  ['sides whose product overflows', { a: entry([2 ** 53 - 1, 2 ** 53 - 1, 2 ** 53 - 1], [0, 8]) }],
  ['three offsets', { a: entry([2], [0, 8, 8]) }],
  ['no shape', { a: { dtype: 'F32', data_offsets: [0, 8] } }],
  ['an unknown field', { a: { ...entry([2], [0, 8]), more: 1 } }],
  ['metadata that is no string', { __metadata__: { step: 1 }, a: entry([2], [0, 8]) }],
];

for (const [what, header] of BAD_HEADERS) {
  test(`a header with ${what} is refused`, () => {
    assertDamaged(() => decodeSafetensors(sealed(JSON.stringify(header), Buffer.alloc(8)), 'some-file'));
  });
}

test('a header may be padded and list tensors out of order; its length is bounded', () => {
  const header = JSON.stringify({ b: entry([1], [4, 8]), a: entry([1], [0, 4]), e: entry([0], [8, 8]) });
  const { tensors } = decodeSafetensors(
    sealed(`${header}   `, Buffer.from(new Float32Array([1, 2]).buffer)),
    'some-file',
  );
  assert.deepEqual(
    [...tensors.values()].map(({ name, data }) => [name, ...data]),
    [['a', 1], ['b', 2], ['e']],
  );
  assertDamaged(() => decodeSafetensors(sealed(`{}${' '.repeat(1 << 20)}`), 'some-file'));
  const endless = sealed('{}');
  endless.writeBigUInt64LE(2n ** 64n - 1n);
  assertDamaged(() => decodeSafetensors(endless, 'some-file'));
});

test('a sound file whose metadata is not a checkpoint is refused', () => {
  const good = { config: '{}', digests: '{"dataset":"a","numerics":"b"}', optimizer: 'adam', step: '1' };
  const decode = (metadata: Record<string, string>) =>
    decodeCheckpoint(sealed(JSON.stringify({ __metadata__: { ...metadata, sha256: '0'.repeat(64) } })), 'some-file');
  assert.equal(decode(good).step, 1);
  const { optimizer: _, ...withoutOptimizer } = good;
  assertDamaged(() => decode(withoutOptimizer));
  for (const step of ['-1', '1.5', '01', '1e3', '', '9'.repeat(16)])
    assertDamaged(() => decode({ ...good, step }), step);
  for (const config of ['', '{', '[]', 'null', '3']) assertDamaged(() => decode({ ...good, config }), config);
  assertDamaged(() => decode({ ...good, digests: '{"dataset":"a"}' }));
  assertDamaged(() => decodeCheckpoint(encodeSafetensors([], good), 'some-file'), 'no digest');
});

test('a checkpoint of another model is refused', () => {
  const checkpoint = decodeCheckpoint(encodeCheckpoint(state), 'some-file');
  assertDamaged(() => trainingStateOf(checkpoint, layoutOf(lenet5('softmax'))));
  assertDamaged(() => trainingStateOf(checkpoint, tiny('output', 3)));
  assertDamaged(() => trainingStateOf(checkpoint, tiny('other')));
});

test('arrays of another length, and numbers that JSON cannot carry, are not encoded', () => {
  assert.throws(() => encodeCheckpoint({ ...state, weights: new Float32Array(9) }), RangeError);
  assert.throws(() => encodeCheckpoint({ ...state, optimizer: { m: new Float32Array(11), v: undefined } }), RangeError);
  assert.throws(() => encodeCheckpoint({ ...state, config: { clip: Number.POSITIVE_INFINITY } }), TypeError);
});

test('weightsSha256 is the SHA-256 of little-endian float32', () => {
  assert.equal(weightsSha256(Float32Array.of(1, -2)), sha256(Buffer.from('0000803f000000c0', 'hex')));
  const all = new Float32Array(new SharedArrayBuffer(16));
  all.set([9, 1, -2, 9]);
  assert.equal(weightsSha256(all.subarray(1, 3)), weightsSha256(Float32Array.of(1, -2)));
});

test('a written checkpoint reads back, under a name that sorts by step', async () => {
  const folder = await mkdtemp(join(root, 'run-'));
  const bytes = encodeCheckpoint(state);
  const path = await writeCheckpoint(folder, bytes, { step: 100 });
  assert.equal(path, join(folder, 'step-00000100.safetensors'));
  assert.equal(checkpointName(123456789), 'step-123456789.safetensors');
  assert.deepEqual(await readFile(path), bytes);
  assert.equal((await readCheckpoint(path)).step, 100);
  await writeCheckpoint(folder, bytes, { step: 100 });
  assert.deepEqual(await readdir(folder), ['step-00000100.safetensors']);
});

/** Real file operations that note their order; the one called `failing` fails instead. */
function recording(failing?: keyof FileOperations): { calls: string[]; files: FileOperations } {
  const calls: string[] = [];
  const noted = (name: keyof FileOperations, paths: readonly string[], run: () => Promise<void>): Promise<void> => {
    calls.push(
      [
        name,
        ...paths.map((path) =>
          path
            .split('/')
            .at(-1)
            ?.replace(/\.[0-9a-f]{16}\.tmp$/, '.tmp'),
        ),
      ].join(' '),
    );
    return name === failing ? Promise.reject(new Error('ENOSPC: no space left on device')) : run();
  };
  const { write, sync, rename, syncDirectory, remove } = fileOperations;
  const files: FileOperations = {
    write: (path, ...contents) => noted('write', [path], () => write(path, ...contents)),
    sync: (path) => noted('sync', [path], () => sync(path)),
    rename: (from, to) => noted('rename', [from, to], () => rename(from, to)),
    syncDirectory: (folder) => noted('syncDirectory', [folder], () => syncDirectory(folder)),
    remove: (path) => noted('remove', [path], () => remove(path)),
  };
  return { calls, files };
}

const NAME = 'step-00000007.safetensors';

test('a checkpoint is written, synced, renamed, and its directory synced', async () => {
  const folder = join(root, 'ordered');
  await mkdir(folder);
  const { calls, files } = recording();
  await writeCheckpoint(folder, encodeCheckpoint(state), { step: 7, files });
  assert.deepEqual(calls, [
    `write ${NAME}.tmp`,
    `sync ${NAME}.tmp`,
    `rename ${NAME}.tmp ${NAME}`,
    'syncDirectory ordered',
  ]);
});

for (const failing of ['write', 'sync', 'rename'] as const) {
  test(`where the ${failing} fails, the file that stood there stands and nothing is left over`, async () => {
    const folder = await mkdtemp(join(root, 'failing-'));
    await writeFile(join(folder, NAME), 'before');
    const { files } = recording(failing);
    await assert.rejects(writeCheckpoint(folder, encodeCheckpoint(state), { step: 7, files }), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(error.message, /step-00000007\.safetensors could not be written: ENOSPC.*disk has space/);
      return true;
    });
    assert.deepEqual(await readdir(folder), [NAME]);
    assert.equal(await readFile(join(folder, NAME), 'utf8'), 'before');
  });
}

test('a directory that does not sync, and a folder that is gone, are reported', async () => {
  const folder = await mkdtemp(join(root, 'failing-'));
  const { files } = recording('syncDirectory');
  await assert.rejects(writeCheckpoint(folder, encodeCheckpoint(state), { step: 7, files }), CheckpointError);
  await assert.rejects(writeCheckpoint(join(folder, 'gone'), encodeCheckpoint(state), { step: 7 }), CheckpointError);
});

test('a checkpoint that is missing, a folder or not one is refused', async () => {
  await assert.rejects(readCheckpoint(join(root, 'gone')), { name: 'CheckpointError', message: /gone doesn't exist/ });
  await assert.rejects(readCheckpoint(root), { name: 'CheckpointError', message: /isn't a file/ });
  await writeFile(join(root, 'note.txt'), 'hello, world');
  await assert.rejects(readCheckpoint(join(root, 'note.txt')), { name: 'CheckpointError', message: /note\.txt/ });
});
