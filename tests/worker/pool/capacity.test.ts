import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memorySize, startClusterEngine, startEngine } from '#src/coordinator/engine.js';
import { CAPACITY, memoryFor } from '#src/library/capacity.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { shapeOf } from '#src/shared/data/dataset.js';
import { MAX_SHARED_BYTES, SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { MemoryError, UsageError } from '#src/shared/util/errors.js';
import { processorCount } from '#src/shared/util/processors.js';
import { threadsAfforded } from '#src/worker/pool/capacity.js';
import { madeDataset } from '../../support/made-images.ts';

const MEBIBYTE = 2 ** 20;
const NO_LIMITS = { cgroup: undefined, addresses: undefined, data: undefined };

function configOf(flags: Readonly<Record<string, unknown>>) {
  return resolveTrainConfig({ flags, env: {} }, CAPACITY).config;
}

describe('the shared memory that is planned', () => {
  const dataset = madeDataset(64, 10_000);

  for (const flags of [
    { workers: 2 },
    { workers: 3, batch: 1024, head: 'rbf', optimizer: 'sgd' },
    { workers: 1, batch: 48, shardSize: 3 },
    { workers: 2, batch: 400, shardSize: 50, listen: '127.0.0.1:0' },
    { workers: 0, listen: '127.0.0.1:0' },
  ]) {
    it(`is what an engine takes: ${JSON.stringify(flags)}`, async () => {
      const config = configOf(flags);
      const memory = memoryFor(config, shapeOf(dataset));
      const options = { config, memory, dataset, onNoMembers: () => {} };
      const { pool } = config.listen === undefined ? startEngine(options) : startClusterEngine(options);
      await pool?.close();
      const left = memorySize(config, shapeOf(dataset)).reserved - memory.used;
      assert.ok(left >= 0 && left < 2048, `${left} bytes are left`);
    });
  }

  it('is refused by an error with advice if it is more than there can be', () => {
    assert.throws(() => new SharedMemory(MAX_SHARED_BYTES + 2 ** 30), MemoryError);
  });
});

describe('the largest number of workers', () => {
  const flags = { batch: 8192, shardSize: 8 };

  it('is the last for which one memory is large enough, and named to whoever asks for more', () => {
    const held = CAPACITY.held(configOf({ ...flags, workers: 1 }), 1024);
    assert.ok(held > 256, `${held}`);
    const bytes = (workers: number): number => memorySize(configOf({ ...flags, workers })).reserved;
    assert.ok(bytes(held) <= MAX_SHARED_BYTES);
    assert.throws(
      () => bytes(held + 1),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, new RegExp(`^--workers: expected at most ${held}, .* but got ${held + 1}\\.`));
        return true;
      },
    );
    assert.throws(
      () => resolveTrainConfig({ flags, env: { LOCKSTEP_WORKERS: '1024' } }, CAPACITY),
      /^UsageError: LOCKSTEP_WORKERS \(environment variable\): /,
    );
  });

  it('holds 128 processors and more for whatever batch, by auto', () => {
    for (const [batch, shardSize] of [
      [1024, 8],
      [65_536, 1],
      [65_536, 512],
    ] as const) {
      const config = configOf({ batch, shardSize, workers: 1 });
      assert.equal(CAPACITY.held(config, 128), 128, `${batch}/${shardSize}`);
    }
  });

  it('follows from the limits on memory', () => {
    const sizeOf = (workers: number) => memorySize(configOf({ workers }));
    const afforded = (limits: Partial<typeof NO_LIMITS | Record<string, number>>): number =>
      threadsAfforded(sizeOf, 64, { ...NO_LIMITS, ...limits });
    assert.equal(afforded({}), 64);
    const [small, large] = [256, 512].map((size) => afforded({ cgroup: size * MEBIBYTE })) as [number, number];
    assert.ok(small >= 2 && small < large && large < 64, `${small}, ${large}`);
    assert.equal(afforded({ cgroup: 64 * MEBIBYTE }), 0);
    assert.equal(afforded({ addresses: 64 * MEBIBYTE }), 0);
    assert.equal(afforded({ data: 64 * MEBIBYTE }), 0);
  });

  it('limits auto, which has at least one worker', () => {
    const workers = (afforded: number) =>
      resolveTrainConfig(
        { flags: {}, env: {} },
        { held: (_, upTo) => upTo, afforded: (_, upTo) => Math.min(upTo, afforded) },
      ).config.workers;
    assert.deepEqual([workers(1), workers(1000)], [1, Math.min(processorCount(), 16)]);
  });
});
