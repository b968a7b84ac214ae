import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { digestOf } from '#src/shared/data/contents-digest.js';
import { type Contents, OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { PREPARATION, type TablePreparation } from '#src/shared/data/preparation.js';
import type { ReadingOptions } from '#src/shared/data/source.js';
import { TABLE_FILE } from '#src/shared/data/sources/table.js';
import { DatasetError } from '#src/shared/util/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-table-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;

function written(text: string | Uint8Array, name = 'table.csv'): string {
  const path = join(folder, `${files++}`);
  mkdirSync(path);
  writeFileSync(join(path, name), text);
  return join(path, name);
}

interface Opened extends Contents {
  readonly lines: readonly string[];
  readonly table: TablePreparation;
}

async function opened(path: string, reading: ReadingOptions = {}, names?: readonly string[]): Promise<Opened> {
  const lines: string[] = [];
  const print = (line: string): number => lines.push(line);
  // A cache that others use knows the set already.
  const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
  const found = await TABLE_FILE.find({ path, names }, { env, print, reading: { target: 'y', ...reading } });
  const contents = await found.read(OWN_ARRAYS);
  const table = PREPARATION.parse(contents.preparation) as TablePreparation;
  assert.deepEqual([contents.train.count, contents.test.count], [found.shape.samples, found.shape.testSamples]);
  return { ...contents, lines, table };
}

function refused(text: string | Uint8Array, expected: RegExp, reading: ReadingOptions = {}, name?: string) {
  return assert.rejects(opened(written(text, name), reading), (error: Error) => {
    assert.ok(error instanceof DatasetError, error.stack);
    assert.match(error.message, expected);
    return true;
  });
}

/** Samples of both parts, each with its target, sorted. */
function samplesOf({ train, test, maps }: Contents): (readonly number[])[] {
  const all = [train, test].flatMap(({ inputs, targets, count }) =>
    Array.from({ length: count }, (_, i) => [...inputs.subarray(i * maps, (i + 1) * maps), targets[i] as number]),
  );
  return all.sort((a, b) => (a.join() < b.join() ? -1 : 1));
}

/** A table of numbers, categories and classes. */
function rowsOf(count: number, separator = ','): string[] {
  const towns = ['Rome', 'Oslo', 'Bern'];
  return Array.from({ length: count }, (_, i) =>
    [`${(i * 37) % 101}.25`, towns[i % 3], i % 4 === 0 ? 'yes' : 'no'].join(separator),
  );
}

const HEADER = 'size,town,y';
const ROWS = rowsOf(100);

describe('a table', () => {
  it('becomes standardised numbers and one feature for each category', async () => {
    const { train, table, maps, classNames, lines } = await opened(written([HEADER, ...ROWS].join('\n')));
    assert.deepEqual([maps, classNames, lines], [4, ['no', 'yes'], []]);
    const [size, town] = table.columns;
    assert.deepEqual(town, { kind: 'category', name: 'town', values: ['Bern', 'Oslo', 'Rome'] });
    assert.ok(size?.kind === 'number' && train.inputs instanceof Float32Array);
    const sizes = [...train.inputs].filter((_, i) => i % maps === 0);
    const mean = sizes.reduce((sum, value) => sum + value, 0) / train.count;
    const squares = sizes.reduce((sum, value) => sum + (value - mean) ** 2, 0) / train.count;
    assert.ok(Math.abs(mean) < 1e-6 && Math.abs(squares - 1) < 1e-6, `${mean} ${squares}`);
    const [first, ...towns] = train.inputs.subarray(0, maps);
    assert.ok(Math.abs((first as number) * size.deviation + size.mean - 0.25) < 1e-5);
    assert.deepEqual(towns, [0, 0, 1]);
  });

  it('is the same with other separators, line ends, quotes, spaces, empty lines and a byte-order mark', async () => {
    const plain = digestOf(await opened(written([HEADER, ...ROWS].join('\n'))));
    const quoted = ROWS.map((row) =>
      row
        .split(',')
        .map((cell) => `"${cell}"`)
        .join(';'),
    );
    for (const [text, name] of [
      [[HEADER, ...ROWS].join('\r\n'), 'table.csv'],
      [`\uFEFF${[HEADER, ...ROWS].join('\n')}\n\n\r\n`, 'table.csv'],
      [[HEADER, ...ROWS].join('\n\n').replaceAll(',', ' , '), 'table.csv'],
      [['"size";town;y', ...quoted].join('\r'), 'table.csv'],
      [[HEADER, ...ROWS].join('\n').replaceAll(',', '\t'), 'table.csv'],
      [[HEADER, ...ROWS].join('\n').replaceAll(',', '\t'), 'table.tsv'],
    ] as const)
      assert.equal(digestOf(await opened(written(text, name))), plain, text.slice(0, 60));
  });

  it('keeps separators, quotes and line feeds that stand in quotes', async () => {
    const rows = ROWS.map((row) => row.replace('Rome', '"a ""b"",\nc"'));
    const { table } = await opened(written([HEADER, ...rows].join('\n')));
    assert.deepEqual(table.columns[1], { kind: 'category', name: 'town', values: ['Bern', 'Oslo', 'a "b",\nc'] });
  });

  it('has the same parts in any order of the rows, and equal rows in one part', async () => {
    const text = (rows: readonly string[]) => [HEADER, ...rows].join('\n');
    const [forth, back] = [await opened(written(text(ROWS))), await opened(written(text(ROWS.toReversed())))];
    assert.deepEqual([back.test.count, back.train.count], [forth.test.count, forth.train.count]);
    const doubled = await opened(written(text([...ROWS, ...ROWS])));
    assert.deepEqual([doubled.test.count, doubled.train.count], [2 * forth.test.count, 2 * forth.train.count]);
    assert.deepEqual(doubled.lines, []);
  });

  it('holds back the share of rows that is asked for', async () => {
    const path = written([HEADER, ...rowsOf(3000).map((row, i) => `${row}`.replace('.25', `.${i}`))].join('\n'));
    assert.ok(Math.abs((await opened(path)).test.count - 450) < 80);
    assert.ok(Math.abs((await opened(path, { testSplit: 0.5 })).test.count - 1500) < 120);
  });

  it('has no number where one is missing, and no category', async () => {
    const gaps = ['NA,Rome,yes', ',Bern,no', '7.25,?,yes'];
    const found = await opened(written([HEADER, ...ROWS, ...gaps].join('\n')));
    const samples = samplesOf(found);
    for (const [features, answer] of [
      [[0, 0, 0, 1], 1],
      [[0, 1, 0, 0], 0],
    ] as const)
      assert.ok(samples.some((sample) => sample.join() === [...features, answer].join()));
    assert.ok(samples.some(([, ...others]) => others.join() === '0,0,0,1'));
  });

  it('leaves out rows without a target, and says so', async () => {
    const found = await opened(written([HEADER, ...ROWS, '1,Rome,', '2,Oslo,NaN'].join('\n')));
    assert.equal(found.train.count + found.test.count, 100);
    assert.deepEqual(found.lines, ['table.csv: 2 rows without a "y": left out.']);
  });

  it('gives a column of one number the deviation 1', async () => {
    const rows = ROWS.map((row) => `0.1,${row}`);
    const { table } = await opened(written([`same,${HEADER}`, ...rows].join('\n')));
    assert.deepEqual(table.columns[0], { kind: 'number', name: 'same', mean: 0.1, deviation: 1 });
  });

  it('has categories where words come after numbers', async () => {
    const rows = ROWS.map((row, i) => `${i < 50 ? i % 3 : 'B3'},${row}`);
    const { table } = await opened(written([`cabin,${HEADER}`, ...rows].join('\n')));
    assert.deepEqual(table.columns[0], { kind: 'category', name: 'cabin', values: ['0', '1', '2', 'B3'] });
  });

  it('says so where a number that is none makes a column of categories', async () => {
    const rows = ROWS.map((row, i) => `${i === 7 ? 'five' : i % 3},${row}`);
    const { lines } = await opened(written([`n,${HEADER}`, ...rows].join('\n')));
    assert.match(lines.join(), /column "n": most of its cells are numbers, but "five" in row 9 isn't/);
  });

  it('leaves out columns that tell rows apart, and those without a name', async () => {
    const rows = ROWS.map((row, i) => `${i},u${i},"${i},500",${'x'.repeat(201)},${row}`);
    const { table, lines } = await opened(written([`,id,price,text,${HEADER}`, ...rows].join('\n')));
    assert.deepEqual(
      table.columns.map(({ name }) => name),
      ['size', 'town'],
    );
    assert.equal(lines.length, 4);
    assert.match(lines.join('\n'), /1 column without a name: left out/);
    assert.match(
      lines.join('\n'),
      /"id": it is left out: \d+ different values in \d+ rows, such as "u\d+" in row \d+, which tell rows apart/,
    );
    assert.match(lines.join('\n'), /"price": it is left out: .* which isn't a number like 1234\.5/);
    assert.match(lines.join('\n'), /"text": it is left out: it has texts of over 200 characters/);
  });
});

describe("a table's target", () => {
  const withTarget = (target: (i: number) => string) =>
    written([HEADER, ...ROWS.map((row, i) => row.replace(/[^,]*$/, target(i)))].join('\n'));

  it('has classes of whole numbers in their order, whatever they are written like', async () => {
    const { classNames, train } = await opened(withTarget((i) => ['10', '9', '9.0', '-1'][i % 4] as string));
    assert.deepEqual(classNames, ['-1', '9', '10']);
    assert.ok(train.targets instanceof Uint16Array);
  });

  it('of fractions is a number, standardised', async () => {
    const { classNames, train, table, classes } = await opened(withTarget((i) => `${100 + i}.5`));
    assert.deepEqual([classNames, classes], [['y'], 1]);
    assert.ok(train.targets instanceof Float32Array && table.scaling !== undefined);
    const { mean, deviation } = table.scaling;
    assert.ok(Math.abs((train.targets[0] as number) * deviation + mean - 100.5) < 1e-4);
    const squares = train.targets.reduce((sum, value) => sum + value ** 2, 0);
    assert.ok(Math.abs(squares / train.count - 1) < 1e-5);
  });

  it('is what the head says', async () => {
    const whole = withTarget((i) => String(i % 5));
    assert.ok((await opened(whole, { head: 'mse' })).train.targets instanceof Float32Array);
    const fractions = await opened(
      withTarget((i) => `${i % 3}.5`),
      { head: 'softmax' },
    );
    assert.deepEqual(fractions.classNames, ['0.5', '1.5', '2.5']);
    const words = opened(
      withTarget((i) => (i === 3 ? 'many' : '1.5')),
      { head: 'mse' },
    );
    await assert.rejects(words, /the head mse takes numbers, but of the target "y" "many" in row 5 isn't one/);
  });

  it('of many whole numbers may be an amount, which is said', async () => {
    const { lines, classes } = await opened(withTarget((i) => String(i % 25)));
    assert.equal(classes, 25);
    assert.match(lines.join(), /25 whole numbers are classes; if they are amounts: --head mse/);
  });

  it('is refused if there is nothing to tell, or too much', async () => {
    await assert.rejects(opened(withTarget(() => 'a')), /the target "y" is "a" in all rows/);
    const many = Array.from({ length: 1500 }, (_, i) => `1,${i}`).join('\n');
    await refused(
      `x,y\n${many}`,
      /more than 1000 different values, too many for classes. If it is an amount: --head mse/,
    );
    await refused(`x,y\n1,\n2,NA`, /none of its 2 rows has a value of "y"/);
  });

  it('has to be named, and to be there', async () => {
    const path = written([HEADER, ...ROWS].join('\n'));
    await assert.rejects(opened(path, { target: undefined }), /Name it by --target\. There are size, town, y\.$/);
    await assert.rejects(
      opened(path, { target: 'z' }),
      /has no column "z", which --target names\. There are size, town, y\.$/,
    );
  });
});

describe('a folder of train.csv and test.csv', () => {
  const folderOf = (train: string, test?: string): string => {
    const path = join(written(train, 'train.csv'), '..');
    if (test !== undefined) writeFileSync(join(path, 'test.csv'), test);
    return path;
  };
  const openedFolder = (path: string) => opened(path, {}, readdirSync(path));

  it('has its own parts; the second may have its columns in another order', async () => {
    const test = ROWS.slice(0, 10).map((row) => row.split(',').toReversed().join(','));
    const path = folderOf([HEADER, ...ROWS.slice(10)].join('\n'), ['y,town,size', ...test].join('\n'));
    const found = await openedFolder(path);
    assert.deepEqual([found.train.count, found.test.count, found.lines], [90, 10, []]);
  });

  it('has numbers and categories from the training part alone', async () => {
    const path = folderOf([HEADER, ...ROWS].join('\n'), `${HEADER}\n1e6,Rome,yes\n5,Wien,no`);
    const { table, test } = await openedFolder(path);
    const [size, town] = table.columns;
    assert.ok(size?.kind === 'number' && size.mean < 100 && town?.kind === 'category' && town.values.length === 3);
    assert.deepEqual([...test.inputs.subarray(5, 8)], [0, 0, 0]);
  });

  it('says how many test rows are in the training part too', async () => {
    const path = folderOf([HEADER, ...ROWS].join('\n'), `${HEADER}\n${ROWS[3]}\n${ROWS[5]}\n3.5,Rome,yes`);
    const { lines } = await openedFolder(path);
    assert.match(lines.join(), /2 of 3 test rows are in the training part too/);
  });

  it('without a second part, or with one that lacks the target, is refused', async () => {
    const text = [HEADER, ...ROWS].join('\n');
    await assert.rejects(
      openedFolder(folderOf(text)),
      /has train\.csv, but no test\.csv beside it\. Add one, or name .*train\.csv itself/,
    );
    await assert.rejects(
      openedFolder(folderOf(text, 'size,town\n1,Rome')),
      /test\.csv can't be read as a table: it lacks the column "y"\. It has size, town\./,
    );
  });
});

describe('a file that is no table', () => {
  const row = (i: number): string => `${i},x${i % 2}`;
  const many = (count: number) => `a,y\n${Array.from({ length: count }, (_, i) => row(i)).join('\n')}\n`;

  for (const [what, text, expected] of [
    [
      'of a million columns',
      `${Array.from({ length: 1e6 }, (_, i) => `c${i}`).join()}\n`,
      /row 1 has more than 4194304 bytes/,
    ],
    [
      'of 10,001 columns',
      `${Array.from({ length: 10_001 }, (_, i) => `c${i}`).join()}\n`,
      /it has 10001 columns; 10000 is the most/,
    ],
    ['of millions of empty cells', `a,y\n${','.repeat(6e6)}`, /row 2 has more than 4194304 bytes/],
    [
      'whose quote is never closed',
      `${many(3)}"${'x,y\n'.repeat(2e6)}`,
      /row 5 has more than 4194304 bytes.* quotes that are closed/,
    ],
    ['whose last quote is not closed', `${many(3)}"4,x1\n`, /a quote that begins in row 5 isn't closed/],
    ['with text after a quote', `${many(3)}"4"5,x1\n`, /row 5: Invalid Closing Quote/],
    ['with a NUL byte', `${many(3)}4,\0x1\n`, /expected text, but byte \d+ is 0/],
    ['in UTF-16', Buffer.from(`\uFEFF${many(3)}`, 'utf16le'), /it is in UTF-16\. Save it in UTF-8/],
    ['in Latin-1', Buffer.from(`${many(3)}4,caf\u00e9\n`, 'latin1'), /row 5: "y": "caf.*" isn't in UTF-8/],
    [
      'of rows of other lengths',
      `${many(3)}4,x1,6\n`,
      /row 5: expected 2 cells as the first row has names, but it has 3/,
    ],
    ['without names', '1,2\n3,4\n', /expected the columns' names in its first line, but that has numbers, such as 1/],
    ['of one column', 'y\n1\n2\n', /expected at least two columns/],
    ['with a name twice', 'a,a,y\n1,2,3\n', /two of its columns are called "a"/],
    ['with a long name', `${'a'.repeat(201)},y\n1,2\n`, /has over 200 characters/],
    ['that is empty', '', /it is empty/],
    ['of empty lines', '\n'.repeat(1e6), /it is empty/],
    ['of a header alone', 'a,y\n', /it has no rows/],
    ['with a number beyond all', `${many(60)}1e999,x1\n`, /row 62: "a": "1e999" is too large a number/],
    ['whose squares overflow', many(60).replace('\n7,', '\n1e300,'), /the numbers of its column "a" are too large/],
    [
      'whose only column is hexadecimal',
      many(60).replaceAll(/\n(\d)/g, '\n0x$1'),
      /no column beside "y" is left: .*"0x\d+" in row \d+/,
    ],
    ['of too few rows', 'a,y\n1,x\n', /none of its 1 rows is in the (test|training) part \(--test-split 0\.15\)/],
  ] as const)
    it(what, () => refused(text, expected));

  it('that is missing', async () => {
    await assert.rejects(opened(join(folder, 'none.csv')), /none\.csv can't be read as a table: ENOENT/);
  });
});

it('takes tables by their names, and folders that have a training part', () => {
  const taken = (path: string, names?: string[]) => TABLE_FILE.accepts({ path, names });
  assert.deepEqual(
    [
      taken('a/b.csv'),
      taken('B.TSV'),
      taken('a.tab'),
      taken('a.safetensors'),
      taken('a.csv', []),
      taken('a', ['train.csv', 'x']),
    ],
    [true, true, true, false, false, true],
  );
});
