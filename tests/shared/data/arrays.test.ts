// Data sets in arrays of numpy and in safetensors files: every order, type and kind of targets; hostile ones too.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Dataset, OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { findAt } from '#src/shared/data/open.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { encodeHeader } from '#src/shared/util/safetensors.js';
import { CONTEXT } from '../../support/find-context.ts';
import { bytesOf, npyOf } from '../../support/npy.ts';
import { zipOf } from '../../support/zip.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-arrays-'));
after(() => rm(root, { recursive: true }));

type Files = Readonly<Record<string, Uint8Array>>;
let written = 0;

async function fileOf(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(root, `${written++}-${name}`);
  await writeFile(path, bytes);
  return path;
}

async function folderOf(files: Files): Promise<string> {
  const folder = await mkdtemp(join(root, 'set-'));
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  return folder;
}

const load = async (path: string, head?: string): Promise<Dataset> =>
  (await findAt(path, { ...CONTEXT, reading: { head } })).read(OWN_ARRAYS);

const named = (xTrain: Uint8Array, yTrain: Uint8Array, xTest: Uint8Array, yTest: Uint8Array): Files => ({
  'x_train.npy': xTrain,
  'y_train.npy': yTrain,
  'x_test.npy': xTest,
  'y_test.npy': yTest,
});

/** Pictures [count][3][5][6] of bytes, and those of one. */
const SIZE = 3 * 5 * 6;
const pictures = (count: number): Uint8Array => Uint8Array.from({ length: count * SIZE }, (_, i) => (i * 37 + 5) % 251);

/** The values of an array in C's order with its axes in another order. */
function moved<T extends Uint8Array | Float64Array>(values: T, shape: readonly number[], order: readonly number[]): T {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const target = values.slice() as T;
  const sides = order.map((axis) => shape[axis] as number);
  for (let at = 0; at < values.length; at++) {
    let [rest, from] = [at, 0];
    for (let axis = sides.length - 1; axis >= 0; axis--) {
      from += (rest % (sides[axis] as number)) * (strides[order[axis] as number] as number);
      rest = Math.floor(rest / (sides[axis] as number));
    }
    target[at] = values[from] as number;
  }
  return target;
}

const LABELS = Uint8Array.of(2, 0, 1, 1);
const TEST_LABELS = Uint8Array.of(1, 2);
const y = (labels: Uint8Array, shape: readonly number[] = [labels.length]) => npyOf('|u1', shape, labels);
const COLOURS = named(
  npyOf('|u1', [4, 3, 5, 6], pictures(4)),
  y(LABELS),
  npyOf('|u1', [2, 3, 5, 6], pictures(2)),
  y(TEST_LABELS),
);

/** What each form of the same pictures is read as. */
function assertColours({ train, test: heldOut, maps, height, width, classes, classNames }: Dataset): void {
  assert.deepEqual([maps, height, width, classes, classNames], [3, 5, 6, 3, ['0', '1', '2']]);
  assert.deepEqual([train.inputs, heldOut.inputs], [pictures(4), pictures(2)]);
  assert.deepEqual([train.targets, heldOut.targets], [Uint16Array.from(LABELS), Uint16Array.from(TEST_LABELS)]);
}

describe('the same arrays are the same data set', () => {
  const last = (count: number) => moved(pictures(count), [count, 3, 5, 6], [0, 2, 3, 1]);
  const fortran = { isFortran: true };
  const reversed = (count: number) => moved(pictures(count), [count, 3, 5, 6], [3, 2, 1, 0]);
  const lastReversed = (count: number) => moved(pictures(count), [count, 3, 5, 6], [1, 3, 2, 0]);
  const forms: readonly (readonly [string, Files])[] = [
    ['with the channels first', COLOURS],
    [
      'with the channels last',
      named(npyOf('|u1', [4, 5, 6, 3], last(4)), y(LABELS), npyOf('|u1', [2, 5, 6, 3], last(2)), y(TEST_LABELS)),
    ],
    [
      "in Fortran's order",
      named(
        npyOf('|u1', [4, 3, 5, 6], reversed(4), fortran),
        y(LABELS),
        npyOf('|u1', [2, 3, 5, 6], reversed(2), fortran),
        y(TEST_LABELS),
      ),
    ],
    [
      "with the channels last in Fortran's order, and longer headers",
      named(
        npyOf('|u1', [4, 5, 6, 3], lastReversed(4), { isFortran: true, version: 2 }),
        y(LABELS),
        npyOf('|u1', [2, 5, 6, 3], last(2), { version: 3 }),
        y(TEST_LABELS),
      ),
    ],
  ];
  for (const [what, files] of forms) {
    test(`${what}, in a folder, an archive, and a compressed archive`, async () => {
      const folder = await load(await folderOf(files));
      assertColours(folder);
      for (const isDeflated of [false, true]) {
        const archive = await load(await fileOf('set.npz', zipOf({ ...files, 'more.npy': y(LABELS) }, { isDeflated })));
        assertColours(archive);
        assert.equal(archive.sha256, folder.sha256);
      }
    });
  }

  test('as tensors of a safetensors file', async () => {
    const arrays = [
      ['x_train', 'U8', [4, 3, 5, 6], pictures(4)],
      ['y_train', 'I64', [4, 1], bytesOf(BigInt64Array.from(LABELS, BigInt))],
      ['x_test', 'U8', [2, 3, 5, 6], pictures(2)],
      ['y_test', 'I64', [2, 1], bytesOf(BigInt64Array.from(TEST_LABELS, BigInt))],
    ] as const;
    const header = encodeHeader(
      arrays.map(([name, dtype, shape]) => ({ name, dtype, shape })),
      {},
    );
    const whole = Buffer.concat([header, ...arrays.map(([, , , bytes]) => bytes)]);
    assertColours(await load(await fileOf('set.safetensors', whole)));
    const three = encodeHeader(
      arrays.slice(0, 3).map(([name, dtype, shape]) => ({ name, dtype, shape })),
      {},
    );
    const lacking = Buffer.concat([three, ...arrays.slice(0, 3).map(([, , , bytes]) => bytes)]);
    await assert.rejects(load(await fileOf('set.safetensors', lacking)), /but it has no y_test/);
  });
});

describe('inputs', () => {
  const floats = Float64Array.from({ length: 12 }, (_, i) => Math.fround(Math.sin(i)));
  const whole = Int8Array.from({ length: 12 }, (_, i) => 7 * i - 20);
  const targets = [y(Uint8Array.of(0, 1, 1)), y(Uint8Array.of(0, 1, 0))] as const;
  const swapped = (bytes: Uint8Array, width: number): Uint8Array => {
    const copy = Buffer.from(bytes);
    return width === 2 ? copy.swap16() : width === 4 ? copy.swap32() : copy.swap64();
  };

  for (const [descr, bytes, values] of [
    ['<f4', bytesOf(Float32Array.from(floats)), floats],
    ['<f8', bytesOf(floats), floats],
    ['>f8', swapped(bytesOf(floats), 8), floats],
    ['>f4', swapped(bytesOf(Float32Array.from(floats)), 4), floats],
    ['|i1', bytesOf(whole), whole],
    ['<i2', bytesOf(Int16Array.from(whole)), whole],
    ['>i2', swapped(bytesOf(Int16Array.from(whole)), 2), whole],
    ['<i4', bytesOf(Int32Array.from(whole)), whole],
    ['<i8', bytesOf(BigInt64Array.from([...whole], BigInt)), whole],
    ['|b1', Uint8Array.of(0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1), [0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1]],
  ] as const) {
    test(`of the type ${descr} are floats, as they are`, async () => {
      const x = npyOf(descr, [3, 4], bytes);
      const {
        train,
        test: heldOut,
        maps,
        height,
        width,
      } = await load(await folderOf(named(x, targets[0], x, targets[1])));
      assert.deepEqual([maps, height, width], [4, 1, 1]);
      for (const { inputs } of [train, heldOut]) assert.deepEqual(inputs, Float32Array.from(values));
    });
  }

  for (const [shape, form] of [
    [[3], [1, 1, 1]],
    [
      [3, 4],
      [4, 1, 1],
    ],
    [
      [3, 2, 2],
      [1, 2, 2],
    ],
    [
      [3, 4, 1, 1],
      [4, 1, 1],
    ],
    [
      [3, 1, 4, 5],
      [1, 4, 5],
    ],
    [
      [3, 5, 4, 1],
      [1, 5, 4],
    ],
    [
      [3, 9, 1, 2],
      [2, 9, 1],
    ],
  ] as const) {
    test(`of the shape ${shape.join('x')} are ${form.join('x')}`, async () => {
      const size = shape.reduce((a: number, b) => a * b, 1);
      const x = npyOf(
        '|u1',
        shape,
        Uint8Array.from({ length: size }, (_, i) => i),
      );
      const { maps, height, width, train } = await load(await folderOf(named(x, targets[0], x, targets[1])));
      assert.deepEqual([maps, height, width, train.inputs.length], [...form, size]);
    });
  }
});

describe('targets', () => {
  const x = (count: number) => npyOf('|u1', [count, 2], new Uint8Array(2 * count));
  const of = (train: Uint8Array, test_: Uint8Array, counts: readonly [number, number] = [4, 2]) =>
    folderOf(named(x(counts[0]), train, x(counts[1]), test_));
  const f4 = (shape: readonly number[], ...values: number[]) => npyOf('<f4', shape, bytesOf(Float32Array.from(values)));
  const [u8, f8] = [
    (shape: readonly number[], ...values: number[]) => npyOf('|u1', shape, Uint8Array.from(values)),
    (shape: readonly number[], ...values: number[]) => npyOf('<f8', shape, bytesOf(Float64Array.from(values))),
  ];

  for (const [what, train, test_] of [
    ['whole numbers', u8([4], 2, 0, 1, 1), u8([2], 1, 2)],
    ['whole numbers in a column', u8([4, 1], 2, 0, 1, 1), u8([2, 1], 1, 2)],
    ['floats without fractions', f4([4], 2, 0, 1, 1), f8([2], 1, 2)],
    ['one-hot rows', u8([4, 3], 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0), u8([2, 3], 0, 1, 0, 0, 0, 1)],
    ['one-hot rows of floats', f4([4, 3], 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0), f8([2, 3], 0, 1, 0, 0, 0, 1)],
    [
      "one-hot rows in Fortran's order",
      npyOf('|u1', [4, 3], Uint8Array.of(0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0), { isFortran: true }),
      npyOf('|u1', [2, 3], Uint8Array.of(0, 0, 1, 0, 0, 1), { isFortran: true }),
    ],
  ] as const) {
    test(`as ${what} are classes`, async () => {
      const set = await load(await of(train, test_));
      assert.deepEqual([set.classes, set.classNames], [3, ['0', '1', '2']]);
      assert.deepEqual([set.train.targets, set.test.targets], [Uint16Array.of(2, 0, 1, 1), Uint16Array.of(1, 2)]);
    });
  }

  for (const [what, train, test_, expected, head] of [
    [
      'floats with fractions',
      f4([4], 2, 0.5, 1, 1),
      f4([2], 1, 2),
      [
        [2, 0.5, 1, 1],
        [1, 2],
      ],
      undefined,
    ],
    [
      'floats with fractions in a part alone',
      f4([4], 2, 0, 1, 1),
      f4([2, 1], 1, 2.5),
      [
        [2, 0, 1, 1],
        [1, 2.5],
      ],
      undefined,
    ],
    [
      'negative floats',
      f4([4], -2, 0, 1, 1),
      f4([2], 1, 2),
      [
        [-2, 0, 1, 1],
        [1, 2],
      ],
      undefined,
    ],
    [
      'whole numbers, with a head for numbers',
      u8([4], 2, 0, 1, 1),
      u8([2], 1, 2),
      [
        [2, 0, 1, 1],
        [1, 2],
      ],
      'mse',
    ],
  ] as const) {
    test(`as ${what} are outputs`, async () => {
      const set = await load(await of(train, test_), head);
      assert.equal(set.classes, 1);
      assert.deepEqual(
        [set.train.targets, set.test.targets],
        expected.map((values) => Float32Array.from(values)),
      );
    });
  }

  test("with several columns are outputs, in Fortran's order too", async () => {
    const rows = [0, 1, 1, 1, 0, 0, 1, 0.25];
    const set = await load(
      await of(f4([4, 2], ...rows), npyOf('<f4', [2, 2], bytesOf(Float32Array.of(1, 2, 3, 4)), { isFortran: true })),
    );
    assert.deepEqual([set.classes, set.train.targets], [2, Float32Array.from(rows)]);
    assert.deepEqual(set.test.targets, Float32Array.of(1, 3, 2, 4));
  });

  for (const [what, train, test_, message] of [
    [
      'negative whole numbers',
      npyOf('|i1', [4], Uint8Array.of(255, 0, 1, 1)),
      u8([2], 0, 1),
      /expected classes from 0 to 65535, but they are -1/,
    ],
    [
      'too many classes',
      npyOf('<i4', [4], bytesOf(Int32Array.of(0, 1, 2, 65_536))),
      u8([2], 0, 1),
      /but they are 0 to 65536/,
    ],
    [
      'another number of columns',
      u8([4, 2], 1, 0, 0, 1, 1, 0, 0, 1),
      u8([2, 3], 1, 0, 0, 0, 1, 0),
      /same number of outputs/,
    ],
    ['one too few', u8([3], 0, 1, 0), u8([2], 0, 1), /expected targets \[4\]/],
    ['a missing class', u8([4], 0, 2, 0, 2), u8([2], 0, 2), /none of 1/],
    ['a value that is not finite', f4([4], 0, Number.NaN, 0, 2), u8([2], 0, 2), /isn't finite/],
  ] as const) {
    test(`of ${what} are refused`, async () => {
      await assert.rejects(
        of(train, test_).then((path) => load(path)),
        (error) => {
          assert.ok(error instanceof DatasetError, String(error));
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});

const first = COLOURS['x_train.npy'] as Buffer;
const header = (text: string): Buffer => {
  const start = Buffer.from('\x93NUMPY\x01\x00\x00\x00', 'latin1');
  start.writeUInt16LE(text.length, 8);
  return Buffer.concat([start, Buffer.from(text)]);
};
const with_ = (x: Uint8Array): Files => ({ ...COLOURS, 'x_train.npy': x });
const dict = (descr: string, shape: string) => `{'descr': ${descr}, 'fortran_order': False, 'shape': (${shape}), }`;

const BAD: readonly (readonly [string, Files, RegExp])[] = [
  ['without an array', { 'x_train.npy': first }, /but it has no y_train\.npy/],
  ['with an empty file', with_(Buffer.alloc(0)), /its header is another one/],
  ['with noise', with_(Buffer.alloc(5000, 0x41)), /its header is another one/],
  ['with a header without end', with_(Buffer.concat([first.subarray(0, 8), Buffer.alloc(70_000, 0xff)])), /expected/],
  ['that is truncated', with_(first.subarray(0, -1)), /expected 360 bytes of elements for 4x3x5x6, but it has 359/],
  ['with elements that are objects', with_(header(dict("'|O'", '4, 3'))), /its header says/],
  ['with elements that are texts', with_(header(dict("'<U7'", '4, 3'))), /expected integers, or floats/],
  ['with elements of half floats', with_(header(dict("'<f2'", '4, 3'))), /expected integers, or floats/],
  ['with records', with_(header(dict("[('a', '<f4')]", '4'))), /its header says/],
  ['without a shape', with_(header("{'descr': '|u1', 'fortran_order': False}")), /no order or no shape/],
  ['that claims more than it has', with_(header(dict("'|u1'", '4, 1000000000'))), /expected 4000000000 bytes/],
  ['whose size overflows', with_(header(dict("'|u1'", '9999999999, 9999999999'))), /bytes of elements/],
  ['of five dimensions', with_(npyOf('|u1', [4, 1, 3, 5, 6], pictures(4))), /at most 4 dimensions/],
  ['without samples', with_(npyOf('|u1', [0, 3, 5, 6], new Uint8Array())), /there are none/],
  ['with test samples of another shape', with_(npyOf('|u1', [4, 3, 6, 5], pictures(4))), /expected samples as in/],
  [
    'whose channels could be on either side',
    named(
      npyOf('|u1', [4, 3, 30, 1], pictures(4)),
      y(LABELS),
      npyOf('|u1', [2, 3, 30, 1], pictures(2)),
      y(TEST_LABELS),
    ),
    /its second or its last axis/,
  ],
];

for (const [what, files, message] of BAD) {
  test(`arrays ${what} are refused`, async () => {
    const before = process.memoryUsage().arrayBuffers;
    for (const path of [await folderOf(files), await fileOf('bad.npz', zipOf(files, { isDeflated: true }))]) {
      await assert.rejects(load(path), (error) => {
        assert.ok(error instanceof DatasetError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 25, 'memory was taken for what a header claims');
  });
}

describe('an archive is refused', () => {
  const whole = zipOf(COLOURS, { isDeflated: true });
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, 80, 200);
  for (const [what, bytes, message] of [
    ['that is none', Buffer.from('PK nothing'), /no list of files/],
    ['that is cut off', whole.subarray(0, -30), /no list of files/],
    ['with a damaged file', damaged, /can't be inflated|expected/],
    // It claims less than it has: what comes beyond is never read. More, and it ends early.
    [
      'whose file ends early',
      zipOf(with_(first.subarray(0, -1)), { lengths: { 'x_train.npy': first.length } }),
      /ends 1 bytes early/,
    ],
    ['of 4 GiB', zipOf(COLOURS, { lengths: { 'y_test.npy': 0xffffffff } }), /y_test\.npy has 4 GiB or more/],
  ] as const) {
    test(what, async () => {
      const path = await fileOf('set.npz', bytes);
      await assert.rejects(load(path), (error) => {
        assert.ok(error instanceof DatasetError, String(error));
        assert.ok(error.message.startsWith(path), error.message);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('and so is one array alone', async () => {
    await assert.rejects(load(await fileOf('x_train.npy', first)), /expected a folder of x_train\.npy/);
  });
});

test('options that have no effect on arrays are refused', async () => {
  const folder = await folderOf(COLOURS);
  for (const [reading, message] of [
    [{ target: 'price' }, /--target has no effect on what --data names: the arrays/],
    [{ testSplit: 0.2 }, /--test-split has no effect/],
    [{ resize: 'cover' }, /--resize has no effect/],
  ] as const) {
    await assert.rejects(findAt(folder, { ...CONTEXT, reading }), message);
    // Those of another command, as the run's own for evaluate, are passed over.
    await findAt(folder, CONTEXT, reading);
  }
});
