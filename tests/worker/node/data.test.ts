// What a node allocates and keeps for a run that it is told of.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { SYNTHETIC_SHA256 } from '#src/shared/data/synthetic.js';
import { NodeError, UsageError } from '#src/shared/util/errors.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { Compute } from '#src/worker/node/compute.js';
import { NodeData, type NodeDataOptions } from '#src/worker/node/data.js';
import { Download } from '#src/worker/node/download.js';
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
  assert.deepEqual(readdirSync(sets).sort(), [`${welcome.dataset}.bin`, 'newest.bin'].sort());
  assert.ok((await nodeData(t, 'kept').prepare(welcome)) instanceof Compute, 'what is kept is used');
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
