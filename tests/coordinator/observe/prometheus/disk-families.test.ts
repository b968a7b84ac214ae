import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { registerDiskFamily } from '#src/coordinator/observe/prometheus/disk-families.js';

const SERIES = /^lockstep_disk_free_bytes (\S+)$/m;

test("the free space of a folder's file system is read at each scrape", async () => {
  const registry = new Registry();
  const free = [1e9, 5e8];
  registerDiskFamily(registry, '/run', async () => free.shift() as number);
  assert.equal(SERIES.exec(await registry.metrics())?.[1], '1000000000');
  assert.equal(SERIES.exec(await registry.metrics())?.[1], '500000000');
});

test('a real folder has space, and one that is not there has no series', async () => {
  const [real, missing] = [new Registry(), new Registry()];
  registerDiskFamily(real, tmpdir());
  registerDiskFamily(missing, '/nowhere/at/all');
  assert.ok(Number(SERIES.exec(await real.metrics())?.[1]) > 0);
  assert.doesNotMatch(await missing.metrics(), SERIES);
});
