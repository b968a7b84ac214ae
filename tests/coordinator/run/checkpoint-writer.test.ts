import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type CheckpointContext, CheckpointWriter } from '#src/coordinator/run/checkpoint-writer.js';
import { WriteFailures } from '#src/coordinator/run/write-failures.js';
import { checkpointName, readCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { RunLockError, WriteError } from '#src/shared/util/errors.js';
import { fileOperations } from '#src/shared/util/replace-file.js';
import { lenet5 } from '../../support/models.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-writer-'));
after(() => rm(root, { recursive: true }));

const layout = layoutOf(lenet5('softmax'));
const never = new AbortController().signal;
const CHAIN = 'c'.repeat(64);
const FULL = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

/** A writer on a real folder, whose writes a test can hold or fail. */
class Bench {
  readonly folder: string;
  readonly notices: string[] = [];
  /** What is told of the disk; undefined: it works again. */
  readonly disk: (string | undefined)[] = [];
  readonly written: number[] = [];
  readonly lost: RunLockError[] = [];
  readonly calls: string[] = [];
  readonly writer: CheckpointWriter;
  /** Thrown by each write while it is set. */
  failure: Error | undefined;
  /** Each write waits for it. */
  gate: Promise<void> = Promise.resolve();

  private constructor(folder: string, flags: Readonly<Record<string, unknown>>) {
    this.folder = folder;
    const context: CheckpointContext = {
      folder,
      layout,
      from: 0,
      snapshots: [100, 100_000],
      config: resolveTrainConfig({ flags: { workers: 1, ...flags }, env: {} }).config,
      digests: { dataset: 'd', numerics: 'n' },
      samples: {},
      files: {
        ...fileOperations,
        write: async (path, bytes) => {
          this.calls.push('write');
          await this.gate;
          if (this.failure !== undefined) throw this.failure;
          await fileOperations.write(path, bytes);
        },
      },
      failures: new WriteFailures((message) => this.notices.push(message)),
      syncLog: async () => {
        this.calls.push('sync log');
      },
      observer: {
        onCheckpoint: ({ step }) => this.written.push(step),
        onEvent: (event) => {
          if (event.kind === 'disk') this.disk.push(event.failure);
        },
      },
      onLockLost: (error) => this.lost.push(error),
    };
    this.writer = new CheckpointWriter(context);
  }

  static async open(keep = 20, flags: Readonly<Record<string, unknown>> = {}): Promise<Bench> {
    return new Bench(await mkdtemp(join(root, 'run-')), { keep, ...flags });
  }

  /** @param best the step of the best evaluation so far */
  take(step: number, value = step, best?: number): void {
    const validation = best === undefined ? undefined : { best: { step: best, validationLoss: 1 }, since: 0 };
    const vector = (fill: number): Float32Array => new Float32Array(layout.parameters).fill(fill);
    this.writer.take({
      step,
      weights: vector(value),
      optimizer: { m: vector(0), v: vector(0) },
      chain: CHAIN,
      validation,
    });
  }

  async files(): Promise<string[]> {
    return (await readdir(this.folder)).sort();
  }
}

test('a checkpoint holds the state of its step, and is written after the log has it', async () => {
  const bench = await Bench.open();
  bench.take(7);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(bench.calls, [], 'the log did not have step 7 yet');
  bench.writer.onStep({ step: 7 });
  await bench.writer.finish(never);
  assert.deepEqual(bench.calls, ['sync log', 'write']);
  const { step, chain, tensors } = await readCheckpoint(join(bench.folder, checkpointName(7)));
  assert.deepEqual([step, chain, tensors.get('c1.bias')?.data[0]], [7, CHAIN, 7]);
});

test('the oldest beyond those to keep are removed, snapshots never', async () => {
  const bench = await Bench.open(2);
  await writeFile(join(bench.folder, 'note.txt'), '');
  for (const step of [0, 50, 100, 150, 200, 250]) {
    bench.take(step);
    bench.writer.onStep({ step });
    await bench.writer.finish(never);
  }
  assert.deepEqual(await bench.files(), ['note.txt', ...[0, 100, 200, 250].map(checkpointName)]);
});

test('the best one is kept as long as it is that, if it is to be', async () => {
  for (const [keepBest, kept] of [
    [true, [70, 250, 300]],
    [false, [250, 300]],
  ] as const) {
    const bench = await Bench.open(2, { keepBest, validation: 0.1 });
    for (const [step, best] of [
      [20, 20],
      [70, 70],
      [150, 70],
      [200, 70],
      [250, 70],
      [300, 70],
    ] as const) {
      bench.take(step, step, best);
      bench.writer.onStep({ step });
      await bench.writer.finish(never);
    }
    assert.deepEqual(await bench.files(), kept.map(checkpointName));
    const { validation } = await readCheckpoint(join(bench.folder, checkpointName(300)));
    assert.deepEqual(validation, { best: { step: 70, validationLoss: 1 }, since: 0 });
  }
});

test('the best one is written however long it waits', async () => {
  const bench = await Bench.open(20, { keepBest: true, validation: 0.1 });
  let open = (): void => {};
  bench.gate = new Promise((resolve) => {
    open = resolve;
  });
  for (let step = 1; step <= 30; step++) {
    bench.take(step, step, step < 4 ? 1 : 4);
    bench.writer.onStep({ step });
  }
  open();
  await bench.writer.finish(never);
  assert.deepEqual(bench.written, [1, 4, ...Array.from({ length: 8 }, (_, i) => 23 + i)]);
});

test('if the disk is slower than the steps, the oldest waiting ones are dropped, but all snapshots are written', async () => {
  const bench = await Bench.open();
  let open = (): void => {};
  bench.gate = new Promise((resolve) => {
    open = resolve;
  });
  for (let step = 90; step <= 120; step++) {
    bench.take(step);
    bench.writer.onStep({ step });
  }
  open();
  await bench.writer.finish(never);
  assert.deepEqual(bench.written, [90, 100, ...Array.from({ length: 8 }, (_, i) => 113 + i)]);
});

test('a failing disk is reported and retried, its recovery is reported, and existing files stay', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const bench = await Bench.open();
  bench.take(10);
  bench.writer.onStep({ step: 10 });
  await bench.writer.finish(never);
  bench.failure = FULL;
  bench.take(20);
  bench.writer.onStep({ step: 20 });
  await settled(() => bench.notices.length === 1);
  assert.match(bench.notices[0] ?? '', /^WAITING FOR THE DISK: .*step-00000020.*no space left.*tried again\.$/);
  assert.deepEqual(await bench.files(), [checkpointName(10)]);
  const tried = bench.calls.length;
  for (let step = 21; step < 40; step++) {
    bench.writer.onStep({ step });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(bench.calls.length, tried, 'it was tried again before its time');
  bench.failure = undefined;
  t.mock.timers.tick(1000);
  await settled(() => bench.notices.length === 2);
  assert.match(bench.notices[1] ?? '', /^The disk is written again: checkpoints, that of step 20 included\.$/);
  assert.deepEqual(await bench.files(), [10, 20].map(checkpointName));
  assert.deepEqual([bench.disk.length, bench.disk[1]], [2, undefined]);
  assert.match(bench.disk[0] ?? '', /no space left/);
});

test('at the end, writing is retried until it succeeds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const bench = await Bench.open();
  bench.failure = FULL;
  bench.take(10);
  bench.writer.onStep({ step: 10 });
  let done = false;
  const finished = bench.writer.finish(never).then(() => {
    done = true;
  });
  await settled(() => {
    t.mock.timers.tick(60_000);
    return bench.calls.length >= 40;
  });
  assert.equal(done, false);
  bench.failure = undefined;
  await settled(() => {
    t.mock.timers.tick(60_000);
    return done;
  });
  await finished;
  assert.deepEqual(bench.written, [10]);
});

test('after a stop, writing is retried once, and fails with the reason', async () => {
  const bench = await Bench.open();
  bench.failure = FULL;
  bench.take(10);
  bench.writer.onStep({ step: 10 });
  await assert.rejects(bench.writer.finish(AbortSignal.abort()), (error) => {
    assert.ok(error instanceof WriteError);
    assert.equal(error.exitCode, 75);
    assert.match(error.message, /step-00000010\.safetensors could not be written: ENOSPC/);
    return true;
  });
});

test('a lost lock is reported once, and nothing is written after that', async () => {
  const bench = await Bench.open();
  bench.failure = new RunLockError('another has it', { lost: true });
  for (const step of [10, 20]) {
    bench.take(step);
    bench.writer.onStep({ step });
  }
  await assert.rejects(bench.writer.finish(never), RunLockError);
  bench.failure = undefined;
  bench.take(30);
  bench.writer.onStep({ step: 30 });
  await assert.rejects(bench.writer.finish(never), RunLockError);
  assert.equal(bench.lost.length, 1);
  assert.deepEqual(await bench.files(), []);
});

/** Lets everything that is ready run until the condition holds. */
async function settled(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
