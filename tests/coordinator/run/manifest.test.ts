import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { manifestJson, manifestOf, readManifest } from '#src/coordinator/run/manifest.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { RunDirectoryError } from '#src/shared/util/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-manifest-'));
after(() => rmSync(folder, { recursive: true }));

test('a run.json is read only if each of its options could have been given', async () => {
  const manifest = await manifestOf({
    ...resolveTrainConfig({ flags: {}, env: {} }),
    name: 'run',
    digests: { dataset: 'a', numerics: 'b' },
    dataset: 'mnist',
    started: new Date(),
    from: 0,
    metricsUrl: undefined,
  });
  const json = manifestJson(manifest);
  const read = (config: object) => {
    writeFileSync(join(folder, 'run.json'), JSON.stringify({ ...json, config: { ...json.config, ...config } }));
    return readManifest(folder);
  };
  assert.equal((await read({ workers: 3 })).config.workers, 3);
  for (const config of [
    { workers: 4_294_967_295 },
    { workers: 'auto' },
    { warmup: 2 ** 40 },
    { warmup: undefined },
    { schedule: [[0, 1]], warmup: 1 },
    { schedule: [], warmup: 0 },
    { weightDecay: -1 },
    { weightDecay: 1e300 },
  ]) {
    await assert.rejects(read(config), RunDirectoryError, JSON.stringify(config));
  }
});
