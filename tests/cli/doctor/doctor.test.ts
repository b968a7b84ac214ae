import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Check } from '#src/cli/doctor/check.js';
import { checkKernel } from '#src/cli/doctor/kernel.js';
import { checkMemory, checkNode } from '#src/cli/doctor/machine.js';
import { checkData, checkFolder, checkPort } from '#src/cli/doctor/surroundings.js';
import { checkTfjs } from '#src/cli/doctor/tfjs.js';
import { checkCapacity, checkWorkers } from '#src/cli/doctor/workers.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { tfjsSetup } from '#src/shared/engine/tfjs/load.js';
import type { MemoryLimits } from '#src/shared/util/memory-limits.js';
import { BYTES, FILES } from '../../support/made-set.ts';
import { takenPort } from '../../support/taken-port.ts';

const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));

function configOf(flags: Readonly<Record<string, unknown>>) {
  return resolved(flags).config;
}

function resolved(flags: Readonly<Record<string, unknown>>) {
  return resolveTrainConfig({ flags, env: {} });
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'lockstep-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

function assertHelps({ status, advice }: Check, expected: Check['status'], about: RegExp): void {
  assert.equal(status, expected);
  assert.match(advice ?? '', about);
}

describe('doctor looks at', () => {
  test('Node', () => {
    for (const version of ['20.10.0', '22.1.0', '24.22.0', '26.0.0']) assert.equal(checkNode(version).status, 'ok');
    assertHelps(checkNode('20.9.0'), 'problem', /20, 22, 24, 26/);
    assertHelps(checkNode('18.20.4'), 'problem', /20, 22, 24, 26/);
    assertHelps(checkNode('25.1.0'), 'note', /20, 22, 24, 26/);
  });

  test('memory', () => {
    const none = { cgroup: undefined, addresses: undefined, data: undefined };
    const foundWith = (limits: Partial<MemoryLimits>) => checkMemory(2 ** 31, { ...none, ...limits });
    assert.deepEqual(foundWith({}), { name: 'memory', status: 'ok', found: '2.0 GiB available, no limits' });
    assert.equal(
      foundWith({ cgroup: 2 ** 29, addresses: 2 ** 32, data: 2 ** 30 }).found,
      '512 MiB available, limited to 512 MiB by its cgroup, 4.0 GiB of addresses (ulimit -v), 1.0 GiB of data (ulimit -d)',
    );
    assertHelps(foundWith({ cgroup: 2 ** 27 }), 'note', /memory/);
    assertHelps(checkMemory(2 ** 27, none), 'note', /memory/);
  });

  test('the largest number of workers', () => {
    const { status, found } = checkCapacity(configOf({ workers: 3 }));
    assert.equal(status, 'ok');
    assert.match(found, /^\d+ for a batch of 128 in shards of 8, .*; 3 chosen$/);
    const fewer = { held: () => 1000, afforded: () => 2 };
    assertHelps(checkCapacity(configOf({ workers: 3 }), fewer), 'problem', /ulimit -v/);
    assert.match(checkCapacity(configOf({ workers: 3 }), fewer).found, /^2 .* within the limits on memory; 3 chosen$/);
  });

  // Another hash means other numerics: if that is intended, insert the value that the failed comparison shows.
  test("the kernel's bits", () => {
    const [target] = nativeTargets();
    const native = target === undefined ? '' : `, and native code (${target}) has the same`;
    assert.deepEqual(checkKernel(), {
      name: 'kernel',
      status: 'ok',
      found: `WebAssembly SIMD and threads work; a test gradient has the right bits${native}`,
    });
    assertHelps(checkKernel('0'.repeat(64)), 'problem', /Don't trust/);
  });

  test("native TensorFlow that isn't there", async () => {
    const [wanted, unwanted] = [await checkTfjs('tfjs', 'Run this.'), await checkTfjs('kernel', 'Run this.')];
    assert.deepEqual([wanted.status, unwanted.status], ['problem', 'ok']);
    assert.match(wanted.found, /Run this\./);
    assert.equal(tfjsSetup(), 'npm run setup:tfjs');
  });

  test('worker threads', async () => {
    const { status, found } = await checkWorkers(configOf({ workers: 3 }));
    assert.deepEqual({ status, found }, { status: 'ok', found: '3 threads started and computed gradients' });
  });

  test('folders, and leaves no files', async (t) => {
    const path = await folder(t);
    const purpose = { name: 'cache', status: 'note', advice: 'Set XDG_CACHE_HOME.' } as const;
    const written = await checkFolder(path, purpose);
    assert.match(written.found, /can be written, [\d.]+ [GM]iB free$/);
    const made = await checkFolder(join(path, 'a', 'b'), purpose);
    assert.match(made.found, /b can be made, /);
    assert.deepEqual(await readdir(path), []);
    await writeFile(join(path, 'file'), '');
    assertHelps(await checkFolder(join(path, 'file'), purpose), 'note', /XDG_CACHE_HOME/);
    assertHelps(await checkFolder(join(path, 'file', 'a'), { ...purpose, status: 'problem' }), 'problem', /XDG/);
  });

  test('the metrics port', async (t) => {
    const port = await takenPort(t);
    assertHelps(await checkPort(port, true), 'problem', /--metrics-port/);
    assertHelps(await checkPort(port, false), 'note', /uses a free port instead/);
    assert.equal((await checkPort(0, true)).status, 'ok');
    assert.equal((await checkPort('off', true)).status, 'ok');
  });

  test('data that is altered', async (t) => {
    const data = await folder(t);
    await writeFile(join(data, 'train-images-idx3-ubyte'), 'something else');
    for (const [config, env] of [
      [resolved({ data }), {}],
      [resolved({}), { MNIST_DIR: data }],
    ] as const) {
      const { status, found } = await checkData(config, env);
      assert.equal(status, 'problem');
      assert.match(found, /train-labels-idx1-ubyte: missing.*Correct this file/);
    }
  });

  test('data that is still to be fetched', async (t) => {
    const env = { XDG_CACHE_HOME: await folder(t) };
    const mirrors = 'http://mirror.example/mnist,https://other.example';
    const check = await checkData(resolved({}), { ...env, LOCKSTEP_MNIST_MIRRORS: mirrors });
    assertHelps(check, 'note', /from mirror\.example, other\.example; .*SYNTHETIC.*\$MNIST_DIR/);
    const wrong = await checkData(resolved({}), { ...env, LOCKSTEP_MNIST_MIRRORS: 'nonsense' });
    assert.equal(wrong.status, 'problem');
    assert.match(wrong.found, /LOCKSTEP_MNIST_MIRRORS .*"nonsense"/);
  });

  test('data that are synthetic', async () => {
    const { status, found } = await checkData(resolved({ data: 'synthetic' }), {});
    const set = 'SYNTHETIC digits (not MNIST), 60,000 training and 10,000 test samples of 1x28x28 in 10 classes';
    const end = "SHA-256 d529a61d21784944…, licence: Lockstep's own (by --data)";
    assert.deepEqual({ status, found }, { status: 'ok', found: `${set}, ${end}` });
  });

  test('a set of its own, by --data and by $MNIST_DIR', async (t) => {
    const data = join(await folder(t), 'blobs');
    await mkdir(data);
    for (const [i, { name }] of FILES.entries()) await writeFile(join(data, name), BYTES[i] as Buffer);
    for (const [config, env, origin] of [
      [resolved({ data }), {}, 'given by --data'],
      [resolved({}), { MNIST_DIR: data }, 'from $MNIST_DIR'],
    ] as const) {
      const { status, found } = await checkData(config, env);
      assert.equal(status, 'ok');
      assert.match(found, /^blobs, 5 training and 4 test samples of 1x3x2 in 3 classes, SHA-256 [0-9a-f]{16}… /);
      assert.ok(found.endsWith(`(${origin})`), found);
    }
  });
});

describe('lockstep doctor', () => {
  async function doctor(t: TestContext, flags: readonly string[]) {
    const data = join(await folder(t), 'empty');
    await mkdir(data);
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'doctor', ...flags], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, HOME: process.env.HOME, MNIST_DIR: data },
    });
    assert.equal(stderr, '');
    return { status, stdout };
  }

  test('prints what is wrong and fails', async (t) => {
    const { status, stdout } = await doctor(t, ['--metrics-port', 'off', '--workers', '1']);
    assert.match(stdout, /^ok {7}Node {13}\d+\.\d+\.\d+/);
    assert.match(stdout, /^ok {7}kernel /m);
    assert.match(stdout, /^problem {2}data .*train-images-idx3-ubyte/m);
    assert.match(stdout, /\n\nTraining doesn't work here yet: one problem to fix/);
    assert.equal(status, 1);
  });

  test('gives JSON', async (t) => {
    const { status, stdout } = await doctor(t, ['--json', '--metrics-port', 'off', '--workers', '1']);
    const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
    assert.equal(ok, false);
    const names = [
      'Node',
      'machine',
      'memory',
      'kernel',
      'tfjs',
      'most workers',
      'worker threads',
      'data',
      'run directories',
      'cache',
    ];
    assert.deepEqual(
      checks.map(({ name }) => name),
      [...names, 'metrics port'],
    );
    assert.equal(status, 1);
  });
});
