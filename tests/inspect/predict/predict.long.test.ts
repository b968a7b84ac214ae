import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decode, encode } from 'fast-png';
import { resolveDataFolder } from '#src/shared/data/data-folder.js';
import { bytesIn } from '#src/shared/data/dataset.js';
import { loadMnist } from '#src/shared/data/mnist.js';
import { at } from '../../support/reference/arrays.ts';
import { inTerminal, skip as skipTerminal } from '../../support/terminal/pseudo-terminal.ts';
import { DIGIT_FORMS } from './forms.ts';

const BYTES = 28 * 28;
/** Of each form. */
const DIGITS = 100;
const FOLDER_IMAGES = 1000;

const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const { MNIST_DIR, PATH, HOME } = process.env;
const mnist = MNIST_DIR ? (await loadMnist(await resolveDataFolder({ env: process.env }))).test : undefined;
const skip = mnist ? false : '$MNIST_DIR is not set: name the folder that holds the MNIST files';
const folder = mkdtempSync(join(tmpdir(), 'lockstep-predict-'));
after(() => rmSync(folder, { recursive: true }));

if (process.env.CI === 'true') test('has the real images', () => assert.ok(mnist));

interface Prediction {
  readonly file: string;
  readonly prediction?: number;
  readonly error?: string;
  readonly best?: { class: number; probability: number }[];
  readonly probabilities?: number[];
}

function lockstep(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: { PATH, HOME, MNIST_DIR, LC_ALL: 'C.UTF-8', ...env },
  });
  return { status, stdout, stderr };
}

function predict(...args: string[]): { status: number | null; stderr: string; images: Prediction[] } {
  const { status, stdout, stderr } = lockstep(['predict', '--json', ...args]);
  return { status, stderr, images: JSON.parse(stdout).images };
}

function imageOf(index: number): Uint8Array {
  return (mnist === undefined ? new Uint8Array() : bytesIn(mnist)).slice(index * BYTES, (index + 1) * BYTES);
}

function png(image: Uint8Array): Uint8Array {
  return encode({ width: 28, height: 28, channels: 1, data: image });
}

test('where no model is saved, says what to run', () => {
  const { status, stderr } = lockstep(['predict', 'seven.png']);
  assert.equal(status, 2);
  assert.match(stderr, /There is no run with a checkpoint below .*main\.js train/);
});

describe('predict', { skip }, () => {
  before(() => {
    const args = ['--iterations', '300', '--workers', '1', '--metrics-port', 'off', '--evaluate-every', '300'];
    const { status, stderr } = lockstep(['train', ...args, '--out', 'runs/short']);
    assert.equal(status, 0, stderr);
  });

  for (const [form, { make, right }] of Object.entries(DIGIT_FORMS)) {
    test(`is right on ${right} of ${DIGITS} digits, ${form}`, async () => {
      const name = form.replaceAll(/\W+/g, '-');
      mkdirSync(join(folder, name));
      for (let i = 0; i < DIGITS; i++) {
        const { type, bytes } = await make(imageOf(i), i);
        writeFileSync(join(folder, name, `${i}.${type}`), bytes);
      }
      const { status, stderr, images } = predict(name);
      assert.equal(status, 0, stderr);
      assert.equal(images.filter(({ prediction }, i) => prediction === at(mnist?.targets ?? [], i)).length, right);
    });
  }

  test('takes a folder of 1,000 pictures in the order of their numbers, as the IDX file has them', () => {
    mkdirSync(join(folder, 'many'));
    for (let i = 0; i < FOLDER_IMAGES; i++) writeFileSync(join(folder, 'many', `${i}.png`), png(imageOf(i)));
    const { status, images } = predict('many');
    assert.equal(status, 0);
    assert.deepEqual(
      images.map(({ file }) => file),
      Array.from({ length: FOLDER_IMAGES }, (_, i) => join(folder, 'many', `${i}.png`)),
    );
    const right = images.filter(({ prediction }, i) => prediction === at(mnist?.targets ?? [], i)).length;
    assert.ok(right >= 0.95 * FOLDER_IMAGES, `${right} are right`);
  });

  test('reads one image of an IDX file', () => {
    const file = readdirSync(MNIST_DIR as string).find((name) => name.startsWith('t10k-images')) as string;
    const { status, images } = predict(join(MNIST_DIR as string, file), '--index', '0');
    assert.equal(status, 0);
    assert.equal(images[0]?.prediction, 7);
    const { best = [], probabilities = [] } = images[0] ?? {};
    assert.equal(best.length, 3);
    assert.equal(at(best, 0).class, 7);
    assert.ok(Math.abs(probabilities.reduce((sum, p) => sum + p, 0) - 1) < 1e-5);
    for (const index of ['10000', '-1', 'x']) {
      const refused = lockstep(['predict', join(MNIST_DIR as string, file), `--index=${index}`]);
      assert.equal(refused.status, 2, index);
      assert.match(refused.stderr, /--index: expected/);
    }
  });

  test('names damaged files and predicts the others', () => {
    const good = png(imageOf(0));
    const bomb = Buffer.from(png(imageOf(1)));
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    const flipped = Buffer.from(good);
    flipped[60] = at(flipped, 60) ^ 0xff;
    const files = {
      'good.png': good,
      'cut.png': good.subarray(0, 100),
      'bomb.png': bomb,
      'flipped.png': flipped,
      'blank.png': png(new Uint8Array(BYTES).fill(255)),
      'text.png': Buffer.from('no picture'),
      'cut.jpg': Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0]),
      'last.png': good,
    };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    const { status, stderr, images } = predict(...Object.keys(files), 'missing.png');
    assert.equal(status, 1);
    assert.deepEqual(
      images.map(({ prediction, error }) => prediction ?? error?.replace(/ \(.*| that|, more.*/, '')),
      [
        ...[7, 'it is truncated', 'it is 60000x60000 pixels', 'it is damaged', 'nothing is drawn on it'],
        'expected a PNG, JPEG, WebP, GIF or TIFF picture, or an IDX file with --index',
        ...['it is truncated', 7, "it can't be read"],
      ],
    );
    assert.match(stderr, /^cut\.png: it is truncated\.$/m);
  });

  test('stops unpacking where a small file holds more pixels than it says', () => {
    const huge = encode({ width: 4000, height: 4000, channels: 1, data: new Uint8Array(16_000_000) });
    const lying = Buffer.from(huge);
    lying.writeUInt32BE(28, 16);
    lying.writeUInt32BE(28, 20);
    writeFileSync(join(folder, 'lying.png'), lying);
    const { status, images } = predict('lying.png');
    assert.equal(status, 1);
    assert.match(images[0]?.error ?? '', /^it is damaged/);
  });

  test('draws the digit in ASCII where no terminal shows it', () => {
    writeFileSync(join(folder, 'one.png'), png(imageOf(2)));
    for (const env of [{}, { LC_ALL: 'C' }, { TERM: 'xterm-256color' }]) {
      const text = lockstep(['predict', 'one.png'], env).stdout;
      assert.match(text, /^one\.png {2}1 {2}\d\d\.\d\d %/);
      assert.match(text, /[@%#]/);
      assert.match(text, /^[\x20-\x7e\n]*$/);
    }
  });

  test('draws the digit for the terminal at hand', { skip: skipTerminal }, async () => {
    const file = join(folder, 'one.png');
    writeFileSync(file, png(imageOf(2)));
    const drawn = async (env: NodeJS.ProcessEnv): Promise<string> =>
      (await inTerminal([main, 'predict', file, '--run', join(folder, 'runs/short')], { columns: 100, env })).output;
    assert.match(await drawn({ LC_ALL: 'C.UTF-8' }), /38;5;\d+;48;5;\d+m▀/);
    assert.match(await drawn({ LC_ALL: 'C.UTF-8', NO_COLOR: '1' }), /[▀▄█]/);
    assert.match(await drawn({ LC_ALL: 'C' }), /^[\x20-\x7e\r\n]*$/);
  });

  test('passes hidden files of a folder over, and counts them', () => {
    mkdirSync(join(folder, 'copied'));
    for (const name of ['7.png', '._7.png', '.8.jpg']) writeFileSync(join(folder, 'copied', name), png(imageOf(0)));
    // What macOS writes beside a file for a disk that can't hold its attributes.
    writeFileSync(join(folder, 'copied', '._7.png'), Buffer.from('00051607000200004d6163204f532058', 'hex'));
    const { status, stderr, images } = predict('copied');
    assert.equal(status, 0);
    assert.deepEqual(
      images.map(({ file }) => file),
      [join(folder, 'copied', '7.png')],
    );
    assert.match(stderr, /^Passed over 2 hidden files in copied\.$/m);
    assert.equal(lockstep(['predict', 'copied/._7.png']).status, 1);
  });

  test('--layers writes a picture of every layer', () => {
    writeFileSync(join(folder, 'two.png'), png(imageOf(1)));
    assert.equal(predict('two.png', '--layers', 'maps').status, 0);
    const names = readdirSync(join(folder, 'maps')).sort();
    assert.deepEqual(
      names,
      ['c1', 'c3', 'c5', 'f6', 'input', 'output', 's2', 's4'].map((name) => `${name}.png`),
    );
    for (const name of names) {
      const { width, height, data } = decode(readFileSync(join(folder, 'maps', name)));
      assert.ok(width >= 100 && width <= 600 && height >= 10, `${name}: ${width}x${height}`);
      assert.ok(new Set(data).size > 2, `${name} is empty`);
    }
    const { status, stderr } = lockstep(['predict', '--layers', 'two.png', 'one.png']);
    assert.equal(status, 2);
    assert.match(stderr, /put the pictures first/);
  });

  test('--layers gives each of several pictures a folder of its own', () => {
    const names = ['a.png', 'a.jpg', 'a-2.png', 'a-2.jpeg'];
    for (const name of names) writeFileSync(join(folder, name), png(imageOf(1)));
    assert.equal(predict(...names, '--layers', 'each').status, 0);
    assert.deepEqual(readdirSync(join(folder, 'each')).sort(), ['a', 'a-2', 'a-2-2', 'a-2-3']);
  });

  test('prints nothing where the folder of --layers is a file', () => {
    writeFileSync(join(folder, 'taken'), '');
    writeFileSync(join(folder, 'two.png'), png(imageOf(1)));
    const { status, stdout, stderr } = lockstep(['predict', '--json', 'two.png', '--layers', 'taken']);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /--layers: the pictures can't be written to .*taken/);
  });
});
