import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { bytesIn, type Contents, OWN_ARRAYS, type Split } from '#src/shared/data/dataset.js';
import { placeAt } from '#src/shared/data/place.js';
import { SOURCE_KINDS } from '#src/shared/data/registry.js';
import type { ReadingOptions } from '#src/shared/data/source.js';
import { PICTURES } from '#src/shared/data/sources/pictures.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { encoder, madePixels } from '../../../support/pictures.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-pictures-'));
after(() => rmSync(folder, { recursive: true }));

interface Opened {
  readonly contents: Contents;
  readonly printed: readonly string[];
  readonly shown: readonly string[];
}

async function open(path: string, reading: ReadingOptions = {}): Promise<Opened> {
  const [printed, shown]: [string[], string[]] = [[], []];
  const place = await placeAt(path, 'the test');
  assert.equal(
    SOURCE_KINDS.find((kind) => kind.accepts(place)),
    PICTURES,
  );
  const context = {
    env: { XDG_CACHE_HOME: join(folder, 'cache') },
    print: (line: string) => void printed.push(line),
    show: (text: string) => void shown.push(text),
    reading,
  };
  const { shape, read } = await PICTURES.find(place, context);
  const contents = await read(OWN_ARRAYS);
  assert.deepEqual([shape.samples, shape.testSamples], [contents.train.count, contents.test.count]);
  return { contents, printed, shown };
}

function put(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

/** A picture of one colour, or of one grey. */
function flat(colour: readonly number[], width = 4, height = 4): Promise<Buffer> {
  const data = Uint8Array.from(
    { length: width * height * colour.length },
    (_, i) => colour[i % colour.length] as number,
  );
  return encoder(data, { width, height, channels: colour.length as 1 | 3 })
    .png()
    .toBuffer();
}

/** The first value of each map of each sample. */
function firsts({ inputs, count }: Split): number[][] {
  const size = inputs.length / count;
  const maps = size % 3 === 0 ? 3 : 1;
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: maps }, (_, map) => inputs[i * size + (map * size) / maps] as number),
  );
}

describe('a folder of pictures with parts', () => {
  const root = join(folder, 'parts');
  test('is read by class and name, with what is no picture passed over', async () => {
    for (const [name, value] of Object.entries({ 'b/2.png': 12, 'b/10.png': 11, 'a/z.PNG': 2, 'a/deep/1.png': 1 })) {
      put(join(root, 'train', name), await flat([value]));
    }
    put(join(root, 'test/b/1.png'), await flat([21]));
    for (const name of ['train/a/.DS_Store', 'train/a/._z.PNG', 'train/b/labels.csv', 'train/readme.txt', 'LICENSE']) {
      put(join(root, name), 'no picture');
    }
    put(join(root, 'val/a/1.png'), await flat([99]));
    const { contents, printed, shown } = await open(root);
    const { train, test: tested, classNames, preparation, maps, height, width } = contents;
    assert.deepEqual([maps, height, width, classNames], [1, 4, 4, ['a', 'b']]);
    assert.deepEqual(
      [firsts(train), [...train.targets]],
      [
        [[1], [2], [11], [12]],
        [0, 0, 1, 1],
      ],
    );
    assert.deepEqual([firsts(tested), [...tested.targets]], [[[21]], [1]]);
    assert.deepEqual(preparation, { kind: 'pictures', resize: 'cover' });
    assert.match(printed.join('\n'), /^Passed over 6 files and folders of .*parts that are no pictures\.$/);
    assert.deepEqual([shown.at(-2), shown.at(-1)], ['Reading 5 pictures: 100 %', '']);
  });

  test('has colours as soon as one picture has, and one size where they differ', async () => {
    put(join(root, 'train/b/3.png'), await flat([10, 20, 30]));
    const { contents } = await open(root);
    assert.deepEqual([contents.maps, contents.height, contents.width], [3, 4, 4]);
    assert.deepEqual(firsts(contents.train).slice(2), [
      [11, 11, 11],
      [12, 12, 12],
      [10, 20, 30],
    ]);

    put(join(root, 'test/b/2.png'), await flat([50], 5, 4));
    const { contents: mixed, printed } = await open(root);
    assert.deepEqual([mixed.maps, mixed.height, mixed.width, mixed.test.count], [3, 32, 32, 2]);
    assert.match(printed.join('\n'), /differ in size, or are larger than 64x64: they become samples of 32x32\.$/);
  });

  test("takes the model's input, and --resize", async () => {
    const { contents, printed } = await open(root, { input: { maps: 1, height: 2, width: 8 }, resize: 'contain' });
    assert.deepEqual([contents.maps, contents.height, contents.width], [1, 2, 8]);
    assert.deepEqual([...bytesIn(contents.train).subarray(0, 8)], [0, 0, 0, 1, 1, 0, 0, 0]);
    assert.deepEqual(contents.preparation, { kind: 'pictures', resize: 'contain' });
    assert.doesNotMatch(printed.join('\n'), /become samples/);
    await assert.rejects(
      open(root, { input: { maps: 2, height: 8, width: 8 } }),
      /which have 1 map or 3, but the model takes 2/,
    );
  });

  test('leaves out what can not be read, and lists it', async () => {
    for (let i = 0; i < 7; i++) put(join(root, `train/a/bad${i}.jpg`), 'no picture');
    put(join(root, 'train/b/short.png'), (await flat([1])).subarray(0, 50));
    const { contents, printed } = await open(root);
    assert.equal(contents.train.count, 5);
    assert.deepEqual([...contents.train.targets], [0, 0, 1, 1, 1]);
    const [said = '', ...lines] = printed.filter((line) => /can't be read|^ /.test(line));
    assert.match(said, /^8 of 15 pictures in .*parts can't be read and are left out:$/);
    assert.equal(lines[0], '  train/a/bad0.jpg: expected a PNG, JPEG, WebP, GIF or TIFF picture');
    assert.equal(lines.at(-1), '  and 3 more');
    assert.equal(lines.length, 6);
  });
});

describe('a folder of pictures without parts', () => {
  const root = join(folder, 'whole');
  const contentsOf = ({ inputs, count }: Split): string[] => {
    const size = inputs.length / count;
    return Array.from({ length: count }, (_, i) => inputs.subarray(i * size, (i + 1) * size).join()).sort();
  };

  test('is split by its contents, whatever the files are called', async () => {
    for (let i = 0; i < 40; i++)
      put(join(root, i % 2 === 0 ? 'even' : 'odd', `${i}.png`), await flat([i, 2 * i, 255 - i]));
    const { contents } = await open(root);
    assert.deepEqual([contents.train.count, contents.test.count], [34, 6]);
    const renamed = join(folder, 'renamed');
    cpSync(root, renamed, { recursive: true });
    for (let i = 0; i < 40; i++) {
      const name = i % 2 === 0 ? 'even' : 'odd';
      renameSync(join(renamed, name, `${i}.png`), join(renamed, name, `picture-${(i * 17) % 41}.png`));
    }
    const { contents: others } = await open(renamed);
    assert.deepEqual(contentsOf(others.test), contentsOf(contents.test));
    assert.deepEqual(contentsOf(others.train), contentsOf(contents.train));
    const { contents: half } = await open(root, { testSplit: 0.5 });
    assert.deepEqual([half.train.count, half.test.count], [20, 20]);
  });

  test('has equal files in one part', async () => {
    const twice = join(folder, 'twice');
    for (let i = 0; i < 8; i++) {
      for (const copy of ['a', 'b', 'c'])
        put(join(twice, i % 2 === 0 ? 'even' : 'odd', `${i}${copy}.png`), await flat([i]));
    }
    const { contents } = await open(twice, { testSplit: 0.4 });
    const [train, tested] = [new Set(contentsOf(contents.train)), new Set(contentsOf(contents.test))];
    assert.deepEqual([contents.train.count, contents.test.count], [12, 12]);
    assert.ok([...tested].every((sample) => !train.has(sample)));
  });
});

test('a link is followed if it stays in the folder and leads to a file', async () => {
  const root = join(folder, 'links');
  put(join(root, 'a/1.png'), await flat([1]));
  put(join(root, 'a/2.png'), await flat([2]));
  put(join(root, 'b/1.png'), await flat([3]));
  put(join(folder, 'secret.png'), await flat([77]));
  symlinkSync('../a/1.png', join(root, 'b/2.png'));
  symlinkSync(join(folder, 'secret.png'), join(root, 'b/3.png'));
  symlinkSync(root, join(root, 'b/loop'));
  symlinkSync(folder, join(root, 'outside'));
  const { contents, printed } = await open(root);
  assert.deepEqual([...firsts(contents.train), ...firsts(contents.test)].flat().sort(), [1, 1, 2, 3]);
  assert.deepEqual(contents.classNames, ['a', 'b']);
  assert.match(printed.join('\n'), /^Passed over 3 files/);
});

test('large pictures of many formats, some in batches with bad ones, keep their places', async () => {
  const root = join(folder, 'formats');
  const values: number[] = [];
  for (let i = 0; i < 80; i++) {
    const made = encoder(new Uint8Array(3 * 90 * 70).fill(3 * i), { width: 90, height: 70, channels: 3 });
    const [ending, file] = (
      [
        ['jpg', made.jpeg({ quality: 100 })],
        ['webp', made.webp({ lossless: true })],
        ['gif', made.gif()],
        ['tiff', made.tiff({ compression: 'lzw' })],
      ] as const
    )[i % 4] as [string, typeof made];
    const name = String(i).padStart(3, '0');
    put(join(root, 'train', i < 40 ? 'a' : 'b', `${name}.${ending}`), i % 11 === 5 ? 'bad' : await file.toBuffer());
    if (i % 11 !== 5) values.push(3 * i);
  }
  put(
    join(root, 'test/a/1.png'),
    await encoder(madePixels(90, 70), { width: 90, height: 70, channels: 3 }).png().toBuffer(),
  );
  const { contents } = await open(root);
  assert.deepEqual([contents.maps, contents.height, contents.width], [3, 32, 32]);
  const found = firsts(contents.train).map(([value = -1]) => value);
  assert.equal(found.length, values.length);
  for (const [i, value] of values.entries())
    assert.ok(Math.abs((found[i] as number) - value) <= 2, `${i}: ${found[i]}, ${value}`);
});

describe('what is refused', () => {
  const cases: Readonly<Record<string, [files: readonly string[], folders: readonly string[], message: RegExp]>> = {
    'one class': [['one/1.png', 'one/2.png'], [], /has the class one alone\. Expected two classes or more/],
    'an empty class': [['a/1.png', 'a/2.png'], ['b', 'c'], /has no picture of the classes b, c\. Remove empty folders/],
    'no train part': [['test/a/1.png', 'test/b/1.png'], [], /has a folder test, but none that is called train/],
    'a class of the test alone': [
      ['train/a/1.png', 'train/b/1.png', 'test/c/1.png'],
      [],
      /has the class c, which train lacks/,
    ],
    'an empty test': [['train/a/1.png', 'train/b/1.png'], ['test'], /test has no folder of a class/],
    'no classes': [['train/1.png'], [], /train has no folders\. Put the pictures of each class into a folder/],
    'one picture of a class': [['a/1.png', 'a/2.png', 'b/1.png'], [], /too few different pictures .* of the class b/],
    'control characters': [['a\n/1.png', 'b/1.png'], [], /a class whose name can't be printed or is too long, a\?/],
  };
  for (const [name, [files, folders, message]] of Object.entries(cases)) {
    test(name, async () => {
      const root = join(folder, `refused ${name}`);
      for (const each of folders) mkdirSync(join(root, each), { recursive: true });
      for (const [i, file] of files.entries()) put(join(root, file), await flat([i]));
      await assert.rejects(open(root), (error) => {
        assert.ok(error instanceof DatasetError, String(error));
        assert.match(error.message, message);
        return error.message.startsWith(root);
      });
    });
  }

  test('pictures of which none can be read', async () => {
    const root = join(folder, 'refused all');
    for (const name of ['a/1.png', 'b/1.png']) put(join(root, name), 'text');
    await assert.rejects(
      open(root),
      /has no picture that can be read \(a\/1\.png: expected a PNG, .* or TIFF picture\)/,
    );
    await assert.rejects(open(root, { input: { maps: 1, height: 8, width: 8 } }), /has no picture that can be read/);
  });
});
