// Runs on data sets of one's own: processes that read them from files, or receive them over the wire.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { digestOf } from '#src/shared/data/contents-digest.js';
import { type Dataset, numbered } from '#src/shared/data/dataset.js';
import { idxHeaderBytes, writeIdxHeader } from '#src/shared/data/idx.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { madeDataset } from '../support/made-images.ts';
import { lockstep, manifestOf, type Program, startLockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-own-data-'));
after(() => rmSync(folder, { recursive: true }));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
});

const MADE = madeDataset(700, 250);
const NAMED = { ...MADE, classNames: numbered(10).map((digit) => `blob ${digit}`) };
const FLAGS = ['--iterations', '60', '--batch', '64', '--checkpoint-every', '20', '--metrics-port', 'off', '--json'];

function packed(name: string): string {
  const file = join(folder, `${name}.safetensors`);
  writeFileSync(file, Buffer.concat(packedPieces(NAMED)));
  return file;
}

function idxFolder(name: string, { train, test, height, width }: Dataset): string {
  const path = join(folder, name);
  mkdirSync(path);
  const contents = [train, test].flatMap(({ inputs, targets, count }) => [
    [[count, height, width], inputs] as const,
    [[count], targets] as const,
  ]);
  for (const [i, [shape, data]] of contents.entries()) {
    const header = new Uint8Array(idxHeaderBytes(shape.length));
    writeIdxHeader(header, shape);
    const file = join(path, `${MNIST_FILES[i as 0 | 1 | 2 | 3].name}.gz`);
    writeFileSync(file, gzipSync(Buffer.concat([header, Uint8Array.from(data)])));
  }
  return path;
}

function succeed(...args: string[]): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

const blobs = packed('blobs');
const whole = join(folder, 'whole');
const { stdout, stderr } = succeed('train', ...FLAGS, '--data', blobs, '--workers', '1', '--out', whole);
const { weightsSha256, chain } = JSON.parse(stdout);

describe('a run on a packed data set', () => {
  it('says what the set is, and records its name and digest', () => {
    assert.match(
      stderr,
      /^Data: blobs, 700 training and 250 test samples of 1x28x28 in 10 classes, SHA-256 [0-9a-f]{16}…\.$/m,
    );
    assert.match(stderr, /^Training lenet5 on blobs:/m);
    const { dataset, digests } = manifestOf(whole);
    assert.deepEqual([dataset, digests.dataset], ['blobs', digestOf(NAMED)]);
  });

  it("shows the classes' names in predictions and evaluations, also from a checkpoint alone", () => {
    const picture = join(folder, 'picture.png');
    const data = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i % 28 > 10 && i % 28 < 17 ? 255 : 0));
    writeFileSync(picture, encode({ width: 28, height: 28, channels: 1, data }));
    const alone = join(folder, 'alone.safetensors');
    cpSync(join(whole, 'checkpoints', 'step-00000060.safetensors'), alone);
    for (const [from, dataset] of [
      [['--run', whole], 'blobs'],
      [['--checkpoint', alone], 'other'],
    ] as const) {
      assert.match(succeed('predict', picture, ...from).stdout, /blob \d +\d+\.\d\d %/);
      const { images, ...source } = JSON.parse(succeed('predict', picture, '--json', ...from).stdout);
      assert.equal(source.dataset, dataset);
      assert.equal(images[0].best[0].name, `blob ${images[0].prediction}`);
    }
    assert.match(succeed('evaluate', whole, '--data', blobs).stdout, /^ +blob 9 9 +\d/m);
    assert.deepEqual(
      JSON.parse(succeed('evaluate', whole, '--data', blobs, '--json').stdout).classNames,
      NAMED.classNames,
    );
  });

  it('has the bits of the same images and classes in IDX files, which are another set', () => {
    const out = join(folder, 'idx');
    const flags = ['--data', idxFolder('idx-files', MADE), '--workers', '2', '--out', out];
    assert.equal(JSON.parse(succeed('train', ...FLAGS, ...flags).stdout).weightsSha256, weightsSha256);
    const { dataset, digests } = manifestOf(out);
    assert.deepEqual([dataset, digests.dataset], ['idx-files', digestOf(MADE)]);
    assert.notEqual(digests.dataset, digestOf(NAMED));
  });

  it('is resumed, verified and evaluated on it, and on no other set', () => {
    const half = join(folder, 'half');
    // As if the machine had died after step 20.
    cpSync(whole, half, { recursive: true });
    for (const name of readdirSync(join(half, 'checkpoints')))
      if (!name.includes('20')) rmSync(join(half, 'checkpoints', name));
    const { result: _, ...manifest } = manifestOf(half);
    writeFileSync(join(half, 'run.json'), JSON.stringify({ ...manifest, state: 'running' }));
    const again = ['train', '--resume', half, '--json', '--metrics-port', 'off'];
    const { status, stderr: refused } = lockstep([...again, '--data', join(folder, 'idx-files')]);
    assert.equal(status, 2, refused);
    assert.match(refused, /data: the run has the set/);
    const resumed = JSON.parse(succeed(...again, '--data', blobs, '--workers', '3').stdout);
    assert.deepEqual([resumed.weightsSha256, resumed.chain], [weightsSha256, chain]);
    assert.match(succeed('verify', half, '--data', blobs).stdout, /\S/);
    const { dataset, testAccuracy } = JSON.parse(succeed('evaluate', half, '--data', blobs, '--json').stdout);
    assert.deepEqual([dataset, testAccuracy], ['blobs', JSON.parse(stdout).testAccuracy]);
  });

  it('has the same bits by nodes that receive the set, once', async () => {
    const cache = join(folder, 'cache');
    for (const [name, received] of [
      ['cold', true],
      ['warm', false],
    ] as const) {
      const out = join(folder, name);
      const run = startLockstep([
        ...['train', ...FLAGS, '--data', blobs, '--workers', '0', '--listen', '127.0.0.1:0', '--out', out],
      ]);
      started.push(run);
      const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
      const node = startLockstep(['worker', '--connect', url, '--threads', '1'], { XDG_CACHE_HOME: cache });
      started.push(node);
      const { status, stdout: summary, stderr: lines } = await run.ended;
      assert.equal(status, 0, lines);
      assert.deepEqual(
        [JSON.parse(summary).weightsSha256, JSON.parse(summary).chain, stepsOf(out)],
        [weightsSha256, chain, stepsOf(whole)],
      );
      const { status: nodeStatus, stderr: said } = await node.ended;
      assert.equal(nodeStatus, 0, said);
      assert.equal(
        /receives the data set/.test(lines) || /Receiving the data set/.test(said),
        received,
        `${lines}${said}`,
      );
      const sets = join(cache, 'lockstep', 'sets');
      assert.deepEqual(readdirSync(sets), [`${digestOf(NAMED)}.safetensors`]);
      // What a node keeps is the packed file itself.
      assert.ok(readFileSync(join(sets, `${digestOf(NAMED)}.safetensors`)).equals(readFileSync(blobs)));
    }
  });
});

it('a file that is no data set, or whose samples the model does not take, ends a run before it makes anything', () => {
  const noise = join(folder, 'noise.safetensors');
  writeFileSync(noise, Buffer.alloc(1000, 0xff));
  const small = join(folder, 'small.safetensors');
  const inputs = (count: number) => new Uint8Array(count * 3 * 32 * 32);
  const colours = {
    ...{ maps: 3, height: 32, width: 32, classes: 10, classNames: numbered(10) },
    train: { inputs: inputs(20), targets: new Uint16Array(20), count: 20 },
    test: { inputs: inputs(10), targets: new Uint16Array(10), count: 10 },
  };
  writeFileSync(small, Buffer.concat(packedPieces(colours)));
  for (const [file, message] of [
    [noise, /noise\.safetensors isn't a packed data set: expected a header/],
    [small, /expects samples of 1@28x28 in 10 classes, but the data set has samples of 3@32x32/],
  ] as const) {
    const out = join(folder, 'none');
    const { status, stderr: problem } = lockstep([
      'train',
      ...FLAGS,
      '--model',
      'lenet5',
      '--data',
      file,
      '--out',
      out,
    ]);
    assert.equal(status, 2, problem);
    assert.match(problem, message);
    assert.ok(!readdirSync(folder).includes('none'));
  }
});

it('weights that were trained on floats refuse pictures, whose scale they cannot know', () => {
  const floats = (split: typeof MADE.train) => ({
    ...split,
    inputs: Float32Array.from(split.inputs, (byte) => byte / 128 - 1),
  });
  const file = join(folder, 'floats.safetensors');
  writeFileSync(file, Buffer.concat(packedPieces({ ...MADE, train: floats(MADE.train), test: floats(MADE.test) })));
  const out = join(folder, 'on-floats');
  succeed('train', ...FLAGS, '--iterations', '2', '--data', file, '--workers', '1', '--out', out);
  for (const args of [
    ['predict', 'any.png', '--run', out],
    ['predict', 'any-idx3-ubyte', '--index', '0', '--run', out],
    ['draw', '--run', out],
  ]) {
    const { status, stderr: problem } = lockstep(args);
    assert.equal(status, 2, problem);
    assert.match(problem, /trained on inputs of floats/);
  }
});
