// What a node allocates and keeps for a run that it is told of.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { keepDataset } from '#src/shared/data/packed-cache.js';
import { SYNTHETIC_SHA256 } from '#src/shared/data/sources/synthetic.js';
import { NodeError, UsageError } from '#src/shared/util/errors.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { Compute } from '#src/worker/node/compute.js';
import { NodeData, type NodeDataOptions } from '#src/worker/node/data.js';
import { Download } from '#src/worker/node/download.js';
import { madeDataset } from '../../support/made-images.ts';
import { servedSet } from '../../support/served-set.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-node-data-'));
after(() => rmSync(folder, { recursive: true }));

const { welcome, parts } = servedSet(64, 32);

/** Has the coordinator's parts come, in their order. */
function receive(download: unknown, from = parts): void {
  assert.ok(download instanceof Download, 'the data set must be received');
  const asked: number[] = [];
  download.begin((part) => asked.push(part));
  for (let part = asked.shift(); part !== undefined; part = asked.shift())
    download.take({ type: 'data', part, of: from.length, body: from[part] as Uint8Array });
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
  const data = nodeData(t, 'kept');
  receive(await data.prepare(welcome));
  assert.ok((await data.prepare(welcome)) instanceof Compute);
  assert.deepEqual(readdirSync(sets).sort(), [`${welcome.dataset}.safetensors`, 'newest.bin'].sort());
  assert.ok((await nodeData(t, 'kept').prepare(welcome)) instanceof Compute, 'what is kept is used');
});

it("a node takes the set from this machine's cache, and receives it if that copy is damaged", async (t) => {
  const env = { XDG_CACHE_HOME: join(folder, 'cached') };
  const set = madeDataset(64, 32);
  await keepDataset({ ...set, sha256: welcome.dataset }, { env, print: () => {} });
  assert.ok((await nodeData(t, 'cached').prepare(welcome)) instanceof Compute);
  const file = join(env.XDG_CACHE_HOME, 'lockstep', 'datasets', `${welcome.dataset}.safetensors`);
  writeFileSync(file, readFileSync(file).with(-1, 7));
  assert.ok((await nodeData(t, 'cached').prepare(welcome)) instanceof Download);
});

it('a node refuses a run whose announced sizes are more than its memory, and allocates nothing', async (t) => {
  let asked = 0;
  const availableBytes = (): number => {
    asked++;
    return 1 << 28;
  };
  const data = nodeData(t, 'small', { availableBytes });
  for (const large of [{ samples: 2 ** 32 - 1 }, { testSamples: 2 ** 20 }]) {
    await assert.rejects(data.prepare({ ...welcome, ...large }), (error) => {
      assert.ok(error instanceof NodeError);
      assert.match(error.message, /needs about \d+ MiB of memory, but this machine has 256 MiB/);
      return true;
    });
  }
  assert.equal(asked, 2);
  assert.ok((await data.prepare(welcome)) instanceof Download);
});

it('a node refuses numbers of samples or parameters that are not those of data set and model', async (t) => {
  const data = nodeData(t, 'lies');
  receive(await data.prepare(welcome));
  assert.ok((await data.prepare(welcome)) instanceof Compute);
  const parameters = welcome.parameters + 1;
  await assert.rejects(data.prepare({ ...welcome, parameters }), isRefused('numerics'));
  await assert.rejects(data.prepare({ ...welcome, dataset: SYNTHETIC_SHA256 }), isRefused('malformed'));
});

it('a node refuses augmentations that it has none of, or none for such samples', async (t) => {
  const data = nodeData(t, 'augmentations');
  for (const augment of ['rotat', 'rotate:91', 7, undefined]) {
    const config = { ...welcome.config, augment } as typeof welcome.config;
    await assert.rejects(data.prepare({ ...welcome, config }), isRefused('malformed'));
  }
  const config = { ...welcome.config, augment: 'rotate:5,flip' };
  const sample = { ...welcome.sample, inputs: 'float32' } as const;
  await assert.rejects(data.prepare({ ...welcome, config, sample }), isRefused('malformed'));
  receive(await data.prepare({ ...welcome, config }));
  assert.ok((await data.prepare({ ...welcome, config })) instanceof Compute);
});

it("what was received is the run's, or received again", async (t) => {
  const data = nodeData(t, 'damaged');
  const damaged = parts.map((part, i) => (i === 0 ? part.map((byte) => byte ^ 1) : part));
  receive(await data.prepare(welcome), damaged);
  // All of it came over one connection: that coordinator has no other.
  await assert.rejects(data.prepare(welcome), isRefused('malformed'));
  // The first part came from another coordinator than the others.
  const download = await data.prepare(welcome);
  assert.ok(download instanceof Download);
  download.begin(() => {});
  download.take({ type: 'data', part: 0, of: parts.length, body: damaged[0] as Uint8Array });
  receive(await data.prepare(welcome));
  await assert.rejects(data.prepare(welcome), isRefused('tampered'));
  receive(await data.prepare(welcome));
  assert.ok((await data.prepare(welcome)) instanceof Compute);
});

it('a node that may use fewer threads starts no more than the run has shards', async (t) => {
  const lines: string[] = [];
  const data = nodeData(t, 'many', { threads: 12, areMost: true, print: (line) => lines.push(line) });
  receive(await data.prepare(welcome));
  const compute = await data.prepare(welcome);
  assert.ok(compute instanceof Compute);
  assert.equal(compute.workerSamples.length, 4);
  assert.match(lines.join('\n'), /^4 of 12 threads compute/m);
});

it('a node is told how many threads a run can have if a shared memory is too small for those that it was given', async (t) => {
  const data = nodeData(t, 'too-many', { threads: 1024, availableBytes: () => 2 ** 40 });
  const large = { ...welcome, config: { ...(welcome.config as object), batch: 65_536, shardSize: 8 } };
  await assert.rejects(data.prepare(large), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(
      error.message,
      /^--threads: expected at most 3\d\d, which is what a shared memory of 4 GiB holds .* but got 1024/,
    );
    return true;
  });
});

it("a node says if --data names another set than the run's, and receives that; the same set it takes", async (t) => {
  const place = join(folder, 'own');
  mkdirSync(place);
  const write = (name: string, bytes: readonly Uint8Array[]): string => {
    writeFileSync(join(place, name), Buffer.concat(bytes));
    return join(place, name);
  };
  const other = Buffer.concat(parts);
  // The class of the last test sample.
  other.writeUInt16LE((other.readUInt16LE(other.length - 2) + 1) % 10, other.length - 2);
  for (const [flag, said] of [
    [write('same.safetensors', parts), undefined],
    [
      write('other.safetensors', [other]),
      /^The run's data set is another one .* digest [0-9a-f]{12}, not [0-9a-f]{12}\.$/,
    ],
    [write('small.safetensors', servedSet(63, 32).parts), /: other samples, or another number of them\.$/],
  ] as const) {
    const lines: string[] = [];
    const data = nodeData(t, 'owners', { flag, print: (line) => lines.push(line) });
    const prepared = await data.prepare(welcome);
    assert.equal(prepared instanceof Compute, said === undefined);
    if (said !== undefined) assert.match(lines.join('\n'), said);
  }
});

it('a node refuses an announced length that no set of the announced shape has', async (t) => {
  const data = nodeData(t, 'lengths');
  await assert.rejects(data.prepare({ ...welcome, dataBytes: 2 ** 31 }), isRefused('malformed'));
  // A length that is possible, and wrong: what comes is no packed file of that length.
  receive(await data.prepare(welcome));
  const sample = { ...welcome.sample, height: 14, width: 56 };
  await assert.rejects(data.prepare({ ...welcome, sample }), isRefused('malformed'));
});

const specOf = (spec: unknown) => {
  const body = Buffer.from(typeof spec === 'string' ? spec : JSON.stringify(spec));
  return { ...welcome, specBytes: body.length, body };
};
const DIGITS = { maps: 1, height: 28, width: 28 };
const dense = (layers: readonly unknown[], more: object = {}) => ({ name: 'm', input: DIGITS, layers, ...more });

/** What no coordinator sends: the connection ends, and nothing else. */
const HOSTILE: readonly (readonly [string, unknown])[] = [
  ['that is no JSON', '{"name":'],
  ['that is no UTF-8', '\ud800'],
  ['that is nothing', 'null'],
  ['with a key twice', '{"name":"a","name":"b","layers":[{"kind":"dense","units":10}]}'],
  ['with an unknown field', dense([{ kind: 'dense', units: 10 }], { more: 1 })],
  ['of an unknown kind', dense([{ kind: 'fork' }])],
  ['of a kind that is nested deeply', `{"name":"m","layers":[{"kind":${'['.repeat(200_000)}${']'.repeat(200_000)}}]}`],
  ['without units', dense([{ kind: 'dense' }])],
  ['without an input', { name: 'm', layers: [{ kind: 'dense', units: 10 }] }],
  [
    'with a cycle',
    dense([
      { kind: 'relu', name: 'a', inputs: ['b'] },
      { kind: 'relu', name: 'b' },
    ]),
  ],
  ['of too many layers', dense(Array.from({ length: 20_000 }, () => ({ kind: 'relu' })))],
  [
    'that grows beyond all bounds',
    dense([
      { kind: 'dense', units: 1_000_000 },
      { kind: 'dense', units: 1_000_000 },
    ]),
  ],
  ['for other samples', dense([{ kind: 'dense', units: 10 }], { input: { ...DIGITS, maps: 3 } })],
  ['for other classes', dense([{ kind: 'dense', units: 11 }])],
  ['with a loss that is none', dense([{ kind: 'dense', units: 10 }], { loss: { labelSmoothing: 2 } })],
  ['with more of a loss', dense([{ kind: 'dense', units: 10 }], { loss: { labelSmoothing: 0, more: 1 } })],
  [
    'with weights of too few classes',
    dense([{ kind: 'dense', units: 10 }], { loss: { labelSmoothing: 0, classWeights: [1, 2] } }),
  ],
  ['for other targets', dense([{ kind: 'dense', units: 10 }], { head: 'mse' })],
];

for (const [what, spec] of HOSTILE) {
  it(`a spec ${what} is malformed`, async (t) => {
    await assert.rejects(nodeData(t, 'hostile').prepare(specOf(spec)), isRefused('malformed'));
  });
}

it('a frozen layer that the model lacks is malformed, and another number of parameters is other numerics', async (t) => {
  await assert.rejects(nodeData(t, 'frozen').prepare({ ...welcome, freeze: ['c9'] }), isRefused('malformed'));
  const other = specOf(dense([{ kind: 'dense', units: 10 }]));
  await assert.rejects(nodeData(t, 'frozen').prepare(other), isRefused('numerics'));
});

it('a node refuses a model whose memory it does not have', async (t) => {
  const layers = [{ kind: 'dense', units: 4000 }, { kind: 'relu' }, { kind: 'dense', units: 4000 }, { kind: 'relu' }];
  const large = specOf(dense([...layers, { kind: 'dense', units: 10 }]));
  const parameters = 784 * 4000 + 4000 + 4000 * 4000 + 4000 + 4000 * 10 + 10;
  const data = nodeData(t, 'large', { availableBytes: () => 1 << 28 });
  await assert.rejects(data.prepare({ ...large, parameters }), (error) => {
    assert.ok(error instanceof NodeError);
    assert.match(error.message, /needs about \d+ MiB of memory, but this machine has 256 MiB/);
    return true;
  });
});

it('a node refuses to hold back more samples than the data set has', async (t) => {
  const data = nodeData(t, 'held');
  receive(await data.prepare(welcome));
  assert.ok((await data.prepare({ ...welcome, validationSamples: 63 })) instanceof Compute);
  for (const validationSamples of [64, 65]) {
    await assert.rejects(data.prepare({ ...welcome, validationSamples }), isRefused('malformed'));
  }
});
