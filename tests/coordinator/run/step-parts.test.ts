// A log of several files: lines that are left out, rotation, compression, reading, cutting.
import assert from 'node:assert/strict';
import {
  appendFile,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { isRunFile, partFile } from '#src/coordinator/run/files.js';
import { LoggedSteps } from '#src/coordinator/run/logged-steps.js';
import type { Attempt, Manifest } from '#src/coordinator/run/manifest.js';
import { PartCompressor } from '#src/coordinator/run/part-compressor.js';
import { stepLine } from '#src/coordinator/run/step-lines.js';
import { StepLog, type StepLogOptions } from '#src/coordinator/run/step-log.js';
import { endWithin, MAX_PART_BYTES, partWith, recordsAt } from '#src/coordinator/run/step-parts.js';
import { type ReadOptions, readSteps } from '#src/coordinator/run/step-reader.js';
import { WriteFailures } from '#src/coordinator/run/write-failures.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { RunDirectoryError, RunLockError } from '#src/shared/util/errors.js';
import { type FileOperations, fileOperations } from '#src/shared/util/replace-file.js';
import { stepRecord } from '../../support/step-record.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-step-parts-'));
after(() => rm(root, { recursive: true }));

const quiet = { onNotice: assert.fail };
const noSpace = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });

function record(step: number): StepRecord {
  return stepRecord(step, { timings: { at: 1000 + step, total: 0.25 } });
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, i) => stepLine(record(from + i))).join('');
}

async function newLog(): Promise<string> {
  return join(await mkdtemp(join(root, 'run-')), 'steps.jsonl');
}

/** A log whose parts end after these steps; every other part is compressed. The last one is steps.jsonl. */
async function logOf(...ends: readonly number[]): Promise<string> {
  const log = await newLog();
  for (const [i, end] of ends.entries()) {
    const text = lines((ends[i - 1] ?? 0) + 1, end);
    if (i === ends.length - 1) await writeFile(log, text);
    else if (i % 2 === 0) await writeFile(`${partFile(log, i + 1)}.gz`, gzipSync(text));
    else await writeFile(partFile(log, i + 1), text);
  }
  return log;
}

async function textIn(log: string, options: ReadOptions = {}): Promise<string> {
  const found: string[] = [];
  for await (const each of readSteps(log, options)) found.push(stepLine(each));
  return found.join('');
}

async function namesBeside(log: string): Promise<string[]> {
  return (await readdir(dirname(log))).sort();
}

async function assertUnreadable(log: string, pattern: RegExp): Promise<void> {
  await assert.rejects(textIn(log), (error) => {
    assert.ok(error instanceof RunDirectoryError, String(error));
    assert.match(error.message, pattern);
    return true;
  });
}

function appendSteps(log: StepLog, from: number, to: number): void {
  for (let step = from; step <= to; step++) log.append(record(step));
}

/** Appends steps, each with a write of its own. */
async function writeSteps(log: StepLog, from: number, to: number): Promise<void> {
  for (let step = from; step <= to; step++) {
    log.append(record(step));
    await log.flush();
  }
}

/** Bytes of about so many lines. */
const bytesOf = (count: number): number => lines(10, 10).length * count;

function compressorOf(log: string, options: { files?: FileOperations; onNotice?: (line: string) => void } = {}) {
  const { files = fileOperations, onNotice = assert.fail } = options;
  return new PartCompressor({ log, files, failures: new WriteFailures(onNotice) });
}

test('a log with a line every 10 steps has the first step, and all with an evaluation, a hash or a link', async () => {
  const path = await newLog();
  const log = await StepLog.create(path, { ...quiet, every: 10 });
  const taken: Record<number, Partial<StepRecord>> = {
    5: { testAccuracy: 0.5, testLoss: 1 },
    7: { weightsSha256: 'a' },
    12: { weightsSha256: 'a', chain: 'b' },
    13: { validationLoss: Number.NaN },
  };
  for (let step = 1; step <= 34; step++) log.append({ ...record(step), ...taken[step] });
  await log.close();
  const steps: number[] = [];
  for await (const { step } of readSteps(path)) steps.push(step);
  assert.deepEqual(steps, [1, 5, 7, 10, 12, 13, 20, 30, 34], 'the last step of the run is there too');
});

function manifest(
  every: readonly number[],
  from: readonly number[],
  flags = {},
): Pick<Manifest, 'attempts' | 'config'> {
  const { config } = resolveTrainConfig({
    flags: { hashEvery: 0, evaluateEvery: 0, checkpointEvery: 0, ...flags },
    env: {},
  });
  const attempts = every.map((logEvery, i) => ({ from: from[i], iterations: config.iterations, logEvery }) as Attempt);
  return { config, attempts };
}

test('which steps have lines follows from the intervals of each attempt', () => {
  const dueOf = (logged: LoggedSteps, to: number): number[] => {
    const found: number[] = [];
    for (let step = logged.first(1, to); step !== undefined; step = logged.first(step + 1, to)) found.push(step);
    return found;
  };
  assert.deepEqual(dueOf(new LoggedSteps(manifest([40], [0])), 130), [1, 40, 80, 100, 120]);
  assert.deepEqual(dueOf(new LoggedSteps(manifest([40, 3], [0, 110])), 120), [1, 40, 80, 100, 111, 114, 117, 120]);
  // The third attempt began before the second one did, which left nothing.
  assert.deepEqual(dueOf(new LoggedSteps(manifest([40, 1, 50], [0, 90, 70])), 160), [1, 40, 100, 150]);
  const others = { hashEvery: 30, evaluateEvery: 25 };
  assert.deepEqual(dueOf(new LoggedSteps(manifest([1000], [0], others)), 100), [1, 25, 30, 50, 60, 75, 90, 100]);
  // Only the last attempt's interval of evaluations is known.
  assert.deepEqual(dueOf(new LoggedSteps(manifest([1000, 1000], [0, 60], others)), 100), [1, 30, 60, 75, 90, 100]);
  assert.deepEqual(dueOf(new LoggedSteps(manifest([1], [0])), 4), [1, 2, 3, 4]);
  const logged = new LoggedSteps(manifest([40], [0]));
  assert.deepEqual(
    [35, 40].map((step) => logged.isDue(record(step))),
    [false, true],
  );
  assert.ok(logged.isDue({ ...record(35), weightsSha256: 'a' }));
});

test('a thinned log lacks nothing when it is resumed, and loses the line of the stop once it continues', async () => {
  const path = await newLog();
  const log = await StepLog.create(path, { ...quiet, every: 10 });
  appendSteps(log, 1, 25);
  await log.close();
  const thinned = lines(1, 1) + lines(10, 10) + lines(20, 20);
  assert.equal(await readFile(path, 'utf8'), thinned + lines(25, 25));
  const logged = new LoggedSteps(manifest([10], [0]));
  const resumed = await StepLog.resume(path, 25, { ...quiet, every: 10, logged });
  assert.deepEqual([resumed.last?.step, resumed.at], [25, 1025]);
  appendSteps(resumed.log, 26, 29);
  await resumed.log.sync();
  assert.equal(await textIn(path), thinned + lines(25, 25), 'it is there as long as no other follows');
  appendSteps(resumed.log, 30, 30);
  await resumed.log.close();
  assert.equal(await textIn(path), thinned + lines(30, 30));
  // Of a run that was killed, the checkpoint's step may have no line.
  const again = await StepLog.resume(path, 28, { ...quiet, every: 10, logged });
  assert.deepEqual([again.last, again.at], [undefined, 1030]);
  await again.log.close();
  assert.equal(await textIn(path), thinned);
  const notices: string[] = [];
  const later = { onNotice: (notice: string) => notices.push(notice), logged };
  await (await StepLog.resume(path, 45, later)).log.close();
  await (await StepLog.resume(path, 30, later)).log.close();
  assert.deepEqual(notices, [
    'steps.jsonl lacks lines of the steps 30 to 45; training continues',
    'steps.jsonl lacks step 30; training continues',
  ]);
});

test('a file that is long enough becomes a part, which is compressed beside the steps', async () => {
  const path = await newLog();
  const compressor = compressorOf(path);
  const log = await StepLog.create(path, { ...quiet, partBytes: bytesOf(10), onPart: () => compressor.start() });
  await writeSteps(log, 1, 35);
  await log.close();
  while ((await namesBeside(path)).some((name) => name.endsWith('1.jsonl'))) await compressor.idle();
  await compressor.idle();
  assert.deepEqual(await namesBeside(path), [
    'steps.00000001.jsonl.gz',
    'steps.00000002.jsonl.gz',
    'steps.00000003.jsonl.gz',
    'steps.jsonl',
  ]);
  assert.equal(await textIn(path), lines(1, 35));
  assert.ok((await readFile(path, 'utf8')).startsWith(lines(32, 32)) || (await stat(path)).size < bytesOf(10));
  await compressor.close();
});

test('a part has whole lines that are synced, whatever was written at once', async () => {
  const path = await newLog();
  const done: string[] = [];
  const files: FileOperations = {
    ...fileOperations,
    rename: async (from, to) => {
      done.push(await readFile(from, 'utf8'));
      await rename(from, to);
    },
  };
  const log = await StepLog.create(path, { ...quiet, partBytes: bytesOf(10), files });
  appendSteps(log, 1, 25);
  await log.flush();
  appendSteps(log, 26, 26);
  await log.sync();
  appendSteps(log, 27, 27);
  await log.close();
  assert.deepEqual(done, [lines(1, 25)]);
  assert.equal(await readFile(path, 'utf8'), lines(26, 27));
  assert.equal(await textIn(path), lines(1, 27));
});

test('lines that come while a file becomes a part are written once', async () => {
  const path = await newLog();
  let next = 11;
  const files: FileOperations = {
    ...fileOperations,
    rename: async (from, to) => {
      appendSteps(log, next, next + 1);
      next += 2;
      await rename(from, to);
    },
  };
  const log = await StepLog.create(path, { ...quiet, partBytes: bytesOf(2), files });
  await writeSteps(log, 1, 10);
  await log.close();
  const steps: number[] = [];
  for await (const { step } of readSteps(path)) steps.push(step);
  assert.equal(new Set(steps).size, steps.length);
  assert.equal(steps.length, next - 1);
});

for (const operation of ['rename', 'syncDirectory'] as const) {
  test(`while ${operation} fails, no line is lost or doubled, and it is reported once`, async () => {
    const path = await newLog();
    const notices: string[] = [];
    let failing = true;
    const files: FileOperations = {
      ...fileOperations,
      [operation]: async (...args: [string, string]) => {
        if (failing) throw noSpace;
        await fileOperations[operation](...args);
      },
    };
    const onNotice = (notice: string): unknown => notices.push(notice);
    const log = await StepLog.create(path, { onNotice, partBytes: bytesOf(4), files });
    await writeSteps(log, 1, 10);
    assert.match(notices.join('\n'), /^WAITING FOR THE DISK: [^\n]*ENOSPC[^\n]*tried again\.$/);
    failing = false;
    await writeSteps(log, 11, 20);
    await log.close();
    assert.equal(await textIn(path), lines(1, 20));
    assert.deepEqual(notices.slice(1), ['The disk is written again: steps.jsonl, with every line.']);
  });
}

test('a process that lost the run directory makes no part and compresses none', async () => {
  const path = await logOf(5, 10, 14);
  const lost = async (): Promise<never> => {
    throw new RunLockError('another has it', { lost: true });
  };
  const files: FileOperations = { ...fileOperations, rename: lost, remove: lost, write: lost };
  const before = await namesBeside(path);
  const notices: string[] = [];
  const options: StepLogOptions = { onNotice: (notice) => notices.push(notice), files, partBytes: bytesOf(4) };
  const { log } = await StepLog.resume(path, 14, options);
  log.append(record(15));
  await log.flush();
  await log.close();
  assert.deepEqual(notices, ['steps.jsonl ends before step 15: another has it; the run ends']);
  const compressor = compressorOf(path, { files });
  compressor.start();
  await compressor.close();
  assert.deepEqual(await namesBeside(path), before);
});

test('compressing is tried again after a failure, and given up at the end, without a trace', async () => {
  const path = await logOf(5, 10, 14);
  const notices: string[] = [];
  let failing = true;
  const files: FileOperations = {
    ...fileOperations,
    sync: async (file) => {
      if (failing) throw noSpace;
      await fileOperations.sync(file);
    },
  };
  const before = await namesBeside(path);
  const compressor = compressorOf(path, { files, onNotice: (notice) => notices.push(notice) });
  compressor.start();
  await compressor.idle();
  compressor.start();
  await compressor.idle();
  assert.deepEqual(await namesBeside(path), before);
  failing = false;
  compressor.start();
  await compressor.idle();
  assert.equal(notices.length, 2, notices.join('\n'));
  assert.match(notices[0] ?? '', /00000002\.jsonl\.gz could not be written: ENOSPC/);
  assert.equal(notices[1], 'The disk is written again: old parts of steps.jsonl, compressed.');
  assert.equal(await textIn(path), lines(1, 14));

  const other = await logOf(5, 3000, 3001);
  const ended = compressorOf(other);
  ended.start();
  await ended.close();
  assert.deepEqual((await namesBeside(other)).length, 3);
  assert.equal(await textIn(other), lines(1, 3001));
});

test('a part of an earlier version that is too long stays as it is', async () => {
  const path = await logOf(5, 10, 14);
  await truncate(partFile(path, 2), MAX_PART_BYTES + 1);
  const compressor = compressorOf(path);
  compressor.start();
  await compressor.idle();
  assert.ok((await namesBeside(path)).includes('steps.00000002.jsonl'));
});

test('parts are read in order, compressed or not, and one that is there twice once', async () => {
  const path = await logOf(5, 10, 14, 20);
  assert.equal(await textIn(path), lines(1, 20));
  await writeFile(`${partFile(path, 2)}.gz`, gzipSync(lines(6, 10)));
  assert.equal(await textIn(path), lines(1, 20));
  assert.equal(await textIn(path, { fromPart: 3 }), lines(11, 20));
  await appendFile(path, lines(21, 21).slice(0, 50));
  assert.equal(await textIn(path), lines(1, 20));
  await rm(path);
  assert.equal(await textIn(path), lines(1, 14), 'a kill may leave no steps.jsonl');
});

test('a log that is rotated and compressed while it is read has each line once', async () => {
  const path = await logOf(5, 10, 14);
  const steps: number[] = [];
  for await (const { step } of readSteps(path)) {
    steps.push(step);
    if (step !== 3) continue;
    await rename(path, partFile(path, 3));
    await writeFile(path, lines(15, 16));
    const compressor = compressorOf(path);
    compressor.start();
    await compressor.idle();
  }
  assert.deepEqual(
    steps,
    Array.from({ length: 16 }, (_, i) => i + 1),
  );
});

test('a part that is missing is named', async () => {
  const path = await logOf(5, 10, 14, 20);
  await rm(partFile(path, 2));
  await assertUnreadable(path, /expected the file steps\.00000002\.jsonl or steps\.00000002\.jsonl\.gz, .*Restore/);
  const first = await logOf(5, 10, 14);
  await rm(`${partFile(first, 1)}.gz`);
  await assertUnreadable(first, /expected the file steps\.00000001\.jsonl/);
});

test('a damaged part is named, and ends the reader', async () => {
  const compressed = gzipSync(lines(1, 500));
  const bomb = gzipSync(Buffer.alloc(MAX_PART_BYTES + 10));
  const damages: readonly (readonly [Uint8Array, RegExp])[] = [
    [compressed.subarray(0, -9), /unexpected end of file/],
    [compressed.subarray(0, 100), /unexpected end of file/],
    [Buffer.alloc(0), /unexpected end of file/],
    [Buffer.from(lines(1, 5)), /incorrect header check/],
    [Buffer.from(compressed).fill(7, 60, 90), /./],
    [bomb, /expected at most 268435456 bytes of text/],
    [gzipSync(lines(1, 5).slice(0, -4)), /line 5: expected a step's line/],
  ];
  for (const [bytes, problem] of damages) {
    const path = await logOf(5, 10);
    await writeFile(`${partFile(path, 1)}.gz`, bytes);
    await assertUnreadable(path, new RegExp(`steps\\.00000001\\.jsonl\\.gz[^]*${problem.source}`));
    // Nothing of it is needed to continue.
    const { log } = await StepLog.resume(path, 8, quiet);
    await log.close();
    assert.equal(await readFile(path, 'utf8'), lines(6, 8));
  }
  const half = await logOf(2, 5, 9);
  await truncate(partFile(half, 2), lines(3, 5).length - 4);
  await assertUnreadable(half, /steps\.00000002\.jsonl, line 3: expected a step's line/);
});

test('single steps are found in whatever file has them', async () => {
  const path = await logOf(5, 10, 14, 20);
  const wanted = [20, 15, 14, 9, 3, 0, 99];
  const found = await recordsAt(path, wanted);
  assert.deepEqual(
    found.map((each) => each?.step),
    [20, 15, 14, 9, 3, undefined, undefined],
  );
  assert.deepEqual(await Promise.all([1, 6, 13, 15, 40].map((step) => partWith(path, step))), [1, 2, 3, 4, 4]);
  // A compressed part counts as a whole one.
  assert.deepEqual(await endWithin(path, 1 << 20), { part: 4, bytes: lines(15, 20).length });
  assert.equal((await endWithin(path, 1 << 27)).part, 2);
});

test('a part that is compressed once it is listed is found all the same', async () => {
  const path = await logOf(5, 10, 14, 20);
  const compressed = `${partFile(path, 2)}.gz`;
  await writeFile(compressed, gzipSync(await readFile(partFile(path, 2))));
  await rm(partFile(path, 2));
  // A name that is listed, and can't be opened.
  await symlink('gone', partFile(path, 2));
  assert.deepEqual((await recordsAt(path, [7]))[0], record(7));
  assert.equal(await partWith(path, 7), 2);
  assert.equal((await endWithin(path, 1 << 28)).part, 1);
  assert.equal(await textIn(path), lines(1, 20));
});

test('a log is cut in whatever part has the step, and continues', async () => {
  for (let step = 0; step <= 20; step++) {
    const path = await logOf(5, 10, 14, 20);
    const { log, last, at } = await StepLog.resume(path, step, quiet);
    assert.deepEqual([last?.step, at], [step || undefined, 1020]);
    assert.equal(await textIn(path), lines(1, step));
    appendSteps(log, step + 1, 22);
    await log.close();
    assert.equal(await textIn(path), lines(1, 22));
  }
});

test('wherever cutting is killed, no line up to the step is lost or doubled', async () => {
  for (const step of [0, 3, 5, 8, 12]) {
    for (const isDone of [false, true]) {
      for (let killedAt = 1, isOver = false; !isOver; killedAt++) {
        const path = await logOf(5, 10, 14, 20);
        await writeFile(`${partFile(path, 2)}.gz`, gzipSync(lines(6, 10)));
        let left = killedAt;
        const kill = new Error('killed');
        const until = <Args extends readonly unknown[]>(act: (...args: Args) => Promise<void>) => {
          return async (...args: Args): Promise<void> => {
            if (left <= 0 || (--left === 0 && !isDone)) throw kill;
            await act(...args);
            if (left === 0) throw kill;
          };
        };
        const { write, sync, rename, syncDirectory, remove } = fileOperations;
        const files: FileOperations = {
          write: until(write),
          sync: until(sync),
          rename: until(rename),
          syncDirectory: until(syncDirectory),
          remove: until(remove),
        };
        const cut = StepLog.resume(path, step, { ...quiet, files });
        isOver = await cut.then(
          () => true,
          () => false,
        );
        // Of step 0 nothing has to be left.
        const rest = await textIn(path).catch((error) => (step === 0 ? '' : Promise.reject(error)));
        assert.ok(rest.startsWith(lines(1, step)), `step ${step}, killed at ${killedAt}`);
        const { log } = await StepLog.resume(path, step, quiet);
        assert.equal(await textIn(path), lines(1, step), `step ${step}, killed at ${killedAt}`);
        appendSteps(log, step + 1, step + 2);
        await log.close();
        assert.equal(await textIn(path), lines(1, step + 2));
      }
    }
  }
});

test('a log whose first line is damaged keeps the others', async () => {
  const path = await logOf(5, 10, 14);
  await writeFile(path, `${'\0'.repeat(40)}\n${lines(12, 14)}`);
  const { log, last } = await StepLog.resume(path, 13, quiet);
  await log.close();
  assert.equal(last?.step, 13);
  assert.ok((await readFile(path, 'utf8')).endsWith(lines(12, 13)));
});

test('a resumed log makes the next part', async () => {
  const path = await logOf(5, 10, 14);
  const { log } = await StepLog.resume(path, 14, { ...quiet, partBytes: bytesOf(3) });
  await writeSteps(log, 15, 16);
  await log.close();
  assert.deepEqual(await namesBeside(path), [
    'steps.00000001.jsonl.gz',
    'steps.00000002.jsonl',
    'steps.00000003.jsonl',
    'steps.jsonl',
  ]);
  assert.equal(await textIn(path), lines(1, 16));
  assert.equal(String(gunzipSync(await readFile(`${partFile(path, 1)}.gz`))), lines(1, 5));
});

test("parts are a run's own files, also half-written ones", () => {
  const own = ['steps.00000001.jsonl', 'STEPS.00000012.JSONL.GZ', 'steps.00000001.jsonl.gz.0123456789abcdef.tmp'];
  assert.deepEqual(own.map(isRunFile), [true, true, true]);
  assert.deepEqual(['steps.1.jsonl', 'steps.00000001.jsonl.bz2', 'my-steps.00000001.jsonl'].map(isRunFile), [
    false,
    false,
    false,
  ]);
});
