// What a node allocates and keeps for a run that it is told of.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { digestOf, sha256 } from '#src/shared/data/digest.js';
import { elements, idxHeaderBytes, writeIdxHeader } from '#src/shared/data/idx.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { partsOf } from '#src/shared/data/parts.js';
import { SYNTHETIC_SHA256 } from '#src/shared/data/synthetic.js';
import { modelOf } from '#src/shared/model/registry.js';
import { NodeError } from '#src/shared/util/errors.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { NodeData, type NodeDataOptions } from '#src/worker/node/data.js';
import type { Welcome } from '#src/worker/node/session.js';
import { madeDataset } from '../../support/made-images.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-node-data-'));
after(() => rmSync(folder, { recursive: true }));

const [TRAIN, TEST] = [64, 32];
const set = madeDataset(TRAIN, TEST);
const bytes = Buffer.concat(partsOf(set));
const config = { head: 'softmax', rbfJ: 0.1, batch: 16, shardSize: 4, seed: 1, augment: 'none' } as const;
const welcome: Welcome = {
  type: 'welcome',
  run: 'run',
  config,
  dataset: digestOfSet(),
  samples: TRAIN,
  testSamples: TEST,
  chunkSize: 200,
  parameters: modelOf(config).parameters,
  heartbeatSeconds: 1,
};

function digestOfSet(): string {
  const { train, test, height, width } = set;
  const contents = [
    { shape: [train.count, height, width], data: train.images },
    { shape: [train.count], data: train.labels },
    { shape: [test.count, height, width], data: test.images },
    { shape: [test.count], data: test.labels },
  ];
  const files = contents.map(({ shape, data }, i) => {
    const file = new Uint8Array(idxHeaderBytes(shape.length) + elements(shape));
    writeIdxHeader(file, shape);
    file.set(data, idxHeaderBytes(shape.length));
    return { name: MNIST_FILES[i as 0 | 1 | 2 | 3].name, sha256: sha256(file) };
  });
  return digestOf(files);
}

function nodeData(t: TestContext, cache: string, options: Partial<NodeDataOptions> = {}): NodeData {
  const env = { XDG_CACHE_HOME: join(folder, cache) };
  const data = new NodeData({ flag: undefined, env, threads: 1, print: () => {}, ...options });
  t.after(() => data.close());
  return data;
}

const isRefused =
  (closeCode: string) =>
  (error: unknown): boolean =>
    error instanceof ProtocolError && error.closeCode === closeCode;

it('a node keeps the data set that it received and at most one before it', async (t) => {
  const sets = join(folder, 'kept', 'lockstep', 'sets');
  mkdirSync(sets, { recursive: true });
  for (const [name, time] of [
    ['old.bin', 1],
    ['newest.bin', 3],
    ['older.bin', 2],
  ] as const) {
    writeFileSync(join(sets, name), name);
    utimesSync(join(sets, name), time, time);
  }
  assert.ok(await nodeData(t, 'kept').prepare(welcome, bytes));
  assert.deepEqual(readdirSync(sets).sort(), [`${welcome.dataset}.bin`, 'newest.bin'].sort());
  assert.ok(await nodeData(t, 'kept').prepare(welcome, undefined), 'what is kept is used');
});

it('a node refuses a run whose announced sizes are more than its memory, and allocates nothing', async (t) => {
  let asked = 0;
  const availableBytes = (): number => {
    asked++;
    return 1 << 28;
  };
  const data = nodeData(t, 'small', { availableBytes });
  for (const large of [{ samples: 2 ** 32 - 1 }, { testSamples: 2 ** 20 }]) {
    await assert.rejects(data.prepare({ ...welcome, ...large }, undefined), (error) => {
      assert.ok(error instanceof NodeError);
      assert.match(error.message, /needs about \d+ MiB of memory, but this machine has 256 MiB/);
      return true;
    });
  }
  assert.equal(asked, 2);
  assert.equal(await data.prepare(welcome, undefined), undefined);
});

it('a node refuses numbers of samples or parameters that are not those of data set and model', async (t) => {
  const data = nodeData(t, 'lies');
  assert.ok(await data.prepare(welcome, bytes));
  const parameters = welcome.parameters + 1;
  await assert.rejects(data.prepare({ ...welcome, parameters }, undefined), isRefused('numerics'));
  await assert.rejects(data.prepare({ ...welcome, dataset: SYNTHETIC_SHA256 }, undefined), isRefused('malformed'));
});

it('a node that may use fewer threads starts no more than the run has shards', async (t) => {
  const lines: string[] = [];
  const data = nodeData(t, 'many', { threads: 12, areMost: true, print: (line) => lines.push(line) });
  const compute = await data.prepare(welcome, bytes);
  assert.equal(compute?.workerSamples.length, 4);
  assert.match(lines.join('\n'), /^4 of 12 threads compute/m);
});

it('a node is told how many threads a run can have if a shared memory is too small for those that it was given', async (t) => {
  const data = nodeData(t, 'too-many', { threads: 1024, availableBytes: () => 2 ** 40 });
  const large = { ...welcome, config: { ...config, batch: 65_536, shardSize: 8 } };
  await assert.rejects(data.prepare(large, bytes), (error) => {
    assert.ok(error instanceof NodeError);
    assert.match(
      error.message,
      /^--threads: expected at most 3\d\d, which is what a shared memory of 4 GiB holds .* but got 1024/,
    );
    return true;
  });
});
