import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type LogFile, openLogFile } from '#src/coordinator/run/step-file.js';
import { parseStepLine, stepLine } from '#src/coordinator/run/step-lines.js';
import { StepLog } from '#src/coordinator/run/step-log.js';
import { readSteps } from '#src/coordinator/run/step-reader.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { RunDirectoryError, RunLockError } from '#src/shared/util/errors.js';
import { stepRecord } from '../../support/step-record.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-step-log-'));
after(() => rm(root, { recursive: true }));

const quiet = { onNotice: assert.fail };
const zeros = '\0'.repeat(4096);
const noSpace = new Error('ENOSPC: no space left on device, write');

function record(step: number): StepRecord {
  return stepRecord(step, { loss: 2.5, accuracy: 0.125, timings: { total: 0.25 } });
}

/** A record whose line has about 1 MiB. */
function hugeRecord(step: number): StepRecord {
  return { ...record(step), timings: { total: 0.25, phases: { ['x'.repeat(1 << 20)]: 0.25 } } };
}

/** The lines of the steps from `from` to `to`. */
function lines(from: number, to: number): string {
  return Array.from({ length: to - from + 1 }, (_, i) => stepLine(record(from + i))).join('');
}

async function fileOf(text: string): Promise<string> {
  const path = join(await mkdtemp(join(root, 'run-')), 'steps.jsonl');
  await writeFile(path, text);
  return path;
}

async function newPath(): Promise<string> {
  return join(await mkdtemp(join(root, 'run-')), 'steps.jsonl');
}

function appendSteps(log: StepLog, from: number, to: number): void {
  for (let step = from; step <= to; step++) log.append(record(step));
}

async function assertRefused(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof RunDirectoryError, String(error));
    assert.match(error.message, pattern);
    return true;
  });
}

async function stepsIn(path: string): Promise<number[]> {
  const steps: number[] = [];
  for await (const { step } of readSteps(path)) steps.push(step);
  return steps;
}

/** Lets every promise that is ready run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Operation = 'open' | 'truncate' | 'write' | 'sync' | 'close';

/** A disk of one file in memory, which counts operations, and makes them fail or wait as the test requires. */
class FakeDisk {
  content = '';
  readonly readFrom: number[] = [];
  readonly done: Operation[] = [];
  readonly written: string[] = [];
  /** Operations that fail, each time. */
  readonly failing = new Map<Operation, Error>();
  /** Bytes that a failing write leaves. */
  partial = 0;
  /** While true, writes wait for `release`. */
  holds = false;
  #synced = 0;
  readonly #held: (() => void)[] = [];

  readonly openFile = async (): Promise<LogFile> => {
    this.#do('open');
    return {
      size: async () => this.content.length,
      read: async (position, length) => {
        this.readFrom.push(position);
        return Buffer.from(this.content.slice(position, position + length), 'latin1');
      },
      truncate: async (length) => {
        this.#do('truncate');
        this.content = this.content.slice(0, length);
      },
      write: (bytes, position) => this.#write(Buffer.from(bytes).toString('latin1'), position),
      sync: async () => {
        this.#do('sync', () => {
          this.content = this.content.slice(0, this.#synced).padEnd(this.content.length, '\0');
        });
        this.#synced = this.content.length;
      },
      close: async () => this.#do('close'),
    };
  };

  release(): void {
    const next = this.#held.shift();
    assert.ok(next, 'no write is held');
    next();
  }

  count(operation: Operation): number {
    return this.done.filter((one) => one === operation).length;
  }

  async #write(text: string, position: number): Promise<void> {
    assert.ok(position <= this.content.length, 'a write past the end leaves a hole');
    this.written.push(text);
    if (this.holds) await new Promise<void>((resolve) => this.#held.push(resolve));
    const put = (some: string) => {
      this.content = this.content.slice(0, position) + some + this.content.slice(position + some.length);
    };
    this.#do('write', () => put(text.slice(0, this.partial)));
    put(text);
  }

  #do(operation: Operation, whereItFails = () => {}): void {
    this.done.push(operation);
    const failure = this.failing.get(operation);
    if (failure === undefined) return;
    whereItFails();
    throw failure;
  }
}

/** A new log on a fake disk, whose operations so far are forgotten, and its notices. */
async function logOn(disk: FakeDisk): Promise<{ log: StepLog; notices: string[] }> {
  const notices: string[] = [];
  const path = join(root, 'steps.jsonl');
  const log = await StepLog.create(path, { onNotice: (notice) => notices.push(notice), openFile: disk.openFile });
  disk.done.length = 0;
  return { log, notices };
}

function resumeOn({ openFile }: FakeDisk, step: number): ReturnType<typeof StepLog.resume> {
  return StepLog.resume(join(root, 'steps.jsonl'), step, { ...quiet, openFile });
}

test('a line has fixed keys in a fixed order, and is read back', () => {
  const taken = { chain: 'c'.repeat(64), weightsSha256: 'd'.repeat(64), testLoss: 0.5, testAccuracy: 0.75 };
  const whole = { ...taken, ...record(1), timings: { phases: { compute: 0.125, 'é\n': 0 }, total: 0.25, at: 7 } };
  const line = stepLine(whole);
  assert.equal(
    line,
    '{"step":1,"loss":2.5,"accuracy":0.125,"learningRate":0.003,"gradientNorm":1.5,' +
      '"timings":{"at":7,"total":0.25,"phases":{"compute":0.125,"é\\n":0}},"testAccuracy":0.75,"testLoss":0.5,' +
      `"weightsSha256":"${taken.weightsSha256}","chain":"${taken.chain}"}\n`,
  );
  assert.deepEqual(parseStepLine(line), whole);
  assert.deepEqual(parseStepLine(stepLine(record(2)).trimEnd()), record(2));
});

test('a test loss that overflowed is read back', () => {
  const line = stepLine({ ...record(1), testLoss: Number.NaN });
  assert.match(line, /"testLoss":null/);
  assert.deepEqual(parseStepLine(line), { ...record(1), testLoss: Number.NaN });
});

test('a step of numbers, without an accuracy, is read back', () => {
  const { accuracy: _, ...numbers } = record(1);
  assert.deepEqual(parseStepLine(stepLine(numbers)), numbers);
});

test('a line that is not a step is not read', () => {
  const line = stepLine(record(5));
  assert.ok(parseStepLine(line));
  const wrong = ['', zeros, 'null', '[]', '5', '{}', line.slice(0, 40), line.slice(3), line + line];
  const fields: [RegExp, string][] = [
    [/"step":5/, '"step":0'],
    [/"step":5/, '"step":1.5'],
    [/"step":5,/, ''],
    [/2\.5/, '"2.5"'],
    [/2\.5/, 'null'],
    [/"timings":.*\}/, '"timings":1}'],
    [/"timings":\{/, '"timings":{"at":1.5,'],
    [/"timings":\{/, '"timings":{"at":"1",'],
  ];
  for (const text of [...wrong, ...fields.map(([from, to]) => line.replace(from, to))]) {
    assert.equal(parseStepLine(text), undefined, text);
  }
});

test('steps are read in order, whatever they are cut into, without an incomplete last line', async () => {
  const phases = { ['é'.repeat(501)]: 0.5 };
  const text = Array.from({ length: 500 }, (_, i) =>
    stepLine({ ...record(i + 1), timings: { total: 1, phases } }),
  ).join('');
  const path = await fileOf(`${text}{"step":501,"lo`);
  const records: StepRecord[] = [];
  for await (const one of readSteps(path)) records.push(one);
  assert.equal(records.map(stepLine).join(''), text);
  assert.deepEqual(await stepsIn(await fileOf(lines(1, 3) + '\0'.repeat(1 << 20))), [1, 2, 3]);
  assert.deepEqual(await stepsIn(await fileOf(lines(1, 3) + stepLine(record(4)).trimEnd())), [1, 2, 3]);
  assert.deepEqual(await stepsIn(await fileOf('')), []);
});

test('a line in the middle that is not a step is named', async () => {
  const path = await fileOf(`${lines(1, 2)}${'y'.repeat(500)}\n${lines(4, 4)}`);
  await assertRefused(stepsIn(path), new RegExp(`${path}, line 3: .*"yyyy[y]*…"`));
  await assertRefused(stepsIn(await fileOf(`\n${lines(1, 2)}`)), /line 1: /);
});

test('steps of a missing file are refused', async () => {
  const path = await newPath();
  await assertRefused(stepsIn(path), new RegExp(`${path} could not be read: ENOENT`));
});

test('a new log holds a line a step, in order', async () => {
  const path = await newPath();
  const log = await StepLog.create(path, quiet);
  assert.equal(await readFile(path, 'utf8'), '');
  appendSteps(log, 1, 2000);
  await log.flush();
  assert.equal(await readFile(path, 'utf8'), lines(1, 2000));
  log.append(record(2001));
  await Promise.all([log.close(), log.close()]);
  log.append(record(2002));
  await log.flush();
  await log.sync();
  assert.equal(await readFile(path, 'utf8'), lines(1, 2001));
});

test('a new log takes an empty file, and no other', async () => {
  await (await StepLog.create(await fileOf(''), quiet)).close();
  const path = await fileOf('a');
  await assert.rejects(StepLog.create(path, quiet), { code: 'EEXIST', path });
  assert.equal(await readFile(path, 'utf8'), 'a');
  await assert.rejects(StepLog.create(join(root, 'nowhere', 'steps.jsonl'), quiet), { code: 'ENOENT' });
});

test('the folder of a new log is synced', async () => {
  const { openFile } = new FakeDisk();
  const created = StepLog.create(join(root, 'nowhere', 'steps.jsonl'), { ...quiet, openFile });
  await assert.rejects(created, { code: 'ENOENT' });
});

test('lines are collected for a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  disk.holds = true;
  log.append(record(1));
  t.mock.timers.tick(999);
  log.append(record(2));
  await turn();
  assert.deepEqual(disk.done, []);
  t.mock.timers.tick(1);
  await turn();
  assert.deepEqual(disk.written, [lines(1, 2)]);
  log.append(record(3));
  t.mock.timers.tick(1000);
  await turn();
  assert.equal(disk.written.length, 1, 'a second write began before the first had ended');
  disk.release();
  await turn();
  assert.deepEqual(disk.written, [lines(1, 2), lines(3, 3)]);
  assert.equal(disk.count('sync'), 0);
});

test('many lines are written at once, and no more often than the disk takes them', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  disk.holds = true;
  const many = Math.ceil(65536 / lines(1000, 1000).length);
  appendSteps(log, 1000, 1000 + 3 * many);
  await turn();
  assert.deepEqual([disk.count('open'), disk.written], [1, [lines(1000, 1000 + 3 * many)]]);
  appendSteps(log, 6000, 6000 + 3 * many);
  disk.release();
  await turn();
  assert.equal(disk.count('open'), 1);
  t.mock.timers.tick(1000);
  await turn();
  assert.equal(disk.written[1], lines(6000, 6000 + 3 * many));
});

test('a flush covers lines that came while another was being written', async () => {
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  disk.holds = true;
  log.append(record(1));
  const first = log.flush();
  await turn();
  log.append(record(2));
  disk.release();
  const second = first.then(() => {
    log.append(record(3));
    return log.flush();
  });
  await turn();
  disk.release();
  await second;
  assert.deepEqual(disk.written, [lines(1, 1), lines(2, 3)]);
  assert.equal(disk.content, lines(1, 3));
});

test('a sync syncs what was flushed before, once', async () => {
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  log.append(record(1));
  await log.flush();
  assert.deepEqual(disk.done, ['open', 'write', 'close']);
  await log.sync();
  assert.equal(disk.done.at(-2), 'sync');
  await log.sync();
  log.append(record(2));
  await log.sync();
  assert.equal(disk.count('sync'), 2);
  log.append(record(3));
  await log.close();
  assert.equal(disk.count('sync'), 3);
  assert.equal(disk.content, lines(1, 3));
});

test('a long log is synced without a request', async () => {
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  log.append(hugeRecord(1));
  await log.flush();
  assert.equal(disk.count('sync'), 1);
});

for (const operation of ['open', 'write', 'sync', 'close'] as const) {
  test(`while ${operation} fails, lines wait, and then none is missing or duplicated`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const disk = new FakeDisk();
    const { log, notices } = await logOn(disk);
    appendSteps(log, 1, 3);
    await log.flush();
    disk.failing.set(operation, noSpace);
    disk.partial = 70;
    appendSteps(log, 4, 5);
    await assertRefused(log.sync(), /steps\.jsonl could not be written: ENOSPC.*disk has space/);
    appendSteps(log, 6, 7);
    await log.flush();
    await assertRefused(log.sync(), /ENOSPC/);
    assert.equal(notices.length, 1);
    assert.match(
      notices[0] ?? '',
      /^WAITING FOR THE DISK: .*steps\.jsonl could not be written: ENOSPC.*Training continues.*tried again\.$/,
    );
    disk.failing.clear();
    appendSteps(log, 8, 8);
    await log.sync();
    assert.equal(disk.content, lines(1, 8));
    assert.deepEqual(notices.slice(1), ['The disk is written again: steps.jsonl, with every line.']);
    appendSteps(log, 9, 9);
    await log.close();
    assert.equal(disk.content, lines(1, 9));
    assert.equal(notices.length, 2);
  });
}

test('what a failed write left is cut even if cutting fails at first', async () => {
  const disk = new FakeDisk();
  const { log } = await logOn(disk);
  disk.failing.set('write', noSpace);
  disk.partial = 150;
  appendSteps(log, 1, 2);
  await log.flush();
  assert.equal(disk.content, lines(1, 2).slice(0, 150));
  disk.failing.clear();
  disk.failing.set('truncate', new Error('EIO'));
  await log.flush();
  disk.failing.clear();
  disk.done.length = 0;
  await log.flush();
  assert.deepEqual(disk.done, ['open', 'truncate', 'write', 'sync', 'close']);
  assert.equal(disk.content, lines(1, 2));
});

test('a failed write is retried every five seconds, however many lines come', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  disk.failing.set('write', noSpace);
  log.append(record(1));
  t.mock.timers.tick(1000);
  await turn();
  appendSteps(log, 2, 2000);
  t.mock.timers.tick(4999);
  await turn();
  assert.equal(disk.written.length, 1);
  for (let retry = 2; retry <= 4; retry++) {
    t.mock.timers.tick(retry === 2 ? 1 : 5000);
    await turn();
    assert.equal(disk.written.length, retry);
  }
  assert.equal(notices.length, 1);
  disk.failing.clear();
  t.mock.timers.tick(5000);
  await turn();
  assert.equal(disk.content, lines(1, 2000));
  log.append(record(2001));
  t.mock.timers.tick(1000);
  await turn();
  assert.equal(disk.content, lines(1, 2001));
  disk.failing.set('write', noSpace);
  log.append(record(2002));
  await log.flush();
  assert.equal(notices.length, 3, 'a later failure is reported again');
});

test('a close that fails reports where the log ends', async () => {
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  appendSteps(log, 1, 6);
  await log.sync();
  disk.failing.set('write', noSpace);
  appendSteps(log, 7, 9);
  await log.close();
  assert.deepEqual(notices, [`steps.jsonl ends before step 7: ${noSpace.message}; the run continues without it`]);
  await log.close();
  await log.sync();
  assert.equal(notices.length, 1);
});

test('a close that cannot sync written lines reports it', async () => {
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  appendSteps(log, 1, 2);
  await log.sync();
  appendSteps(log, 3, 4);
  await log.flush();
  disk.failing.set('open', new Error('ENOENT'));
  await log.close();
  assert.deepEqual(notices, ['steps.jsonl ends before step 3: ENOENT; the run continues without it']);
});

test('a disk that never responds cannot use up all memory', async () => {
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  disk.holds = true;
  for (let step = 1; step <= 62; step++) log.append(hugeRecord(step));
  await turn();
  assert.deepEqual(notices, []);
  for (let step = 63; step <= 70; step++) log.append(hugeRecord(step));
  assert.deepEqual(notices, ['steps.jsonl ends before step 1: the disk is too slow; the run continues without it']);
  await log.sync();
  disk.holds = false;
  disk.release();
  await log.close();
  assert.equal(disk.written.length, 1);
  assert.equal(notices.length, 1);
});

test('a sync that waits while the log ends is not refused', async () => {
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  disk.holds = true;
  log.append(record(1));
  const synced = log.sync();
  await turn();
  for (let step = 2; step <= 70; step++) log.append(hugeRecord(step));
  assert.equal(notices.length, 1);
  disk.failing.set('write', noSpace);
  disk.release();
  await synced;
  assert.equal(notices.length, 1);
});

test('a disk that fails for too long ends the log, and checkpoints continue', async () => {
  const disk = new FakeDisk();
  const { log, notices } = await logOn(disk);
  log.append(record(1));
  await log.flush();
  disk.failing.set('write', noSpace);
  log.append(hugeRecord(2));
  await assertRefused(log.sync(), /ENOSPC/);
  for (let step = 3; step <= 70; step++) log.append(hugeRecord(step));
  assert.equal(notices[1], `steps.jsonl ends before step 2: ${noSpace.message}; the run continues without it`);
  disk.failing.clear();
  await log.sync();
  log.append(record(71));
  await log.close();
  assert.equal(disk.content, lines(1, 1));
  assert.equal(notices.length, 2);
});

test('a folder that disappears and returns has every line', async () => {
  const path = await newPath();
  const notices: string[] = [];
  const log = await StepLog.create(path, { onNotice: (notice) => notices.push(notice) });
  appendSteps(log, 1, 2);
  await log.flush();
  await rename(join(path, '..'), join(root, 'elsewhere'));
  appendSteps(log, 3, 4);
  await log.flush();
  await assertRefused(log.sync(), /ENOENT/);
  await rename(join(root, 'elsewhere'), join(path, '..'));
  appendSteps(log, 5, 5);
  await log.sync();
  assert.equal(await readFile(path, 'utf8'), lines(1, 5));
  assert.equal(notices.length, 2);
  await log.close();
});

test('lines of another program are cut, and the log continues', async () => {
  const path = await newPath();
  const log = await StepLog.create(path, quiet);
  appendSteps(log, 1, 2);
  await log.sync();
  await appendFile(path, 'x\n');
  log.append(record(3));
  await log.sync();
  assert.equal(await readFile(path, 'utf8'), lines(1, 3));
  await log.close();
});

test('if another program cut lines, the log ends and reports it, but checkpoints continue', async () => {
  const path = await newPath();
  const notices: string[] = [];
  const log = await StepLog.create(path, { onNotice: (notice) => notices.push(notice) });
  appendSteps(log, 1, 2);
  await log.sync();
  await truncate(path, 10);
  log.append(record(3));
  await log.sync();
  assert.equal(notices.length, 1);
  assert.match(notices[0] ?? '', /ends before step 3: it has 10 bytes, but this run wrote \d+; the run continues/);
  await log.close();
});

test('a process that lost the run directory writes no more lines', async () => {
  const path = await newPath();
  let lost = false;
  const notices: string[] = [];
  const mayWrite = async (): Promise<void> => {
    if (lost) throw new RunLockError('another has it', { lost: true });
  };
  const log = await StepLog.create(path, { onNotice: (notice) => notices.push(notice), mayWrite });
  log.append(record(1));
  await log.sync();
  lost = true;
  log.append(record(2));
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines(1, 1));
  assert.match(notices[0] ?? '', /another has it/);
});

test('a resumed log continues after its step', async () => {
  const path = await fileOf(lines(1, 9));
  const { log, last } = await StepLog.resume(path, 6, quiet);
  assert.deepEqual(last, record(6));
  assert.equal(await readFile(path, 'utf8'), lines(1, 6));
  appendSteps(log, 7, 8);
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines(1, 8));
  const again = await StepLog.resume(path, 8, quiet);
  assert.deepEqual(again.last, record(8));
  assert.equal(await readFile(path, 'utf8'), lines(1, 8));
});

test('a log resumed at step 0 is empty', async () => {
  const path = await fileOf(lines(1, 3));
  const { log, last } = await StepLog.resume(path, 0, quiet);
  assert.equal(last, undefined);
  log.append(record(1));
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines(1, 1));
  const disk = new FakeDisk();
  disk.content = lines(1, 3);
  await resumeOn(disk, 0);
  assert.equal(disk.content, '');
});

test('a resumed log knows the latest timestamp of what it cuts, also if older lines have none', async () => {
  const timed = (step: number): string => stepLine({ ...record(step), timings: { at: 1000 + step, total: 0.25 } });
  for (const step of [0, 1, 2, 3]) {
    const path = await fileOf(`${lines(1, 1)}${timed(2)}${timed(3)}${timed(4).slice(0, 70)}`);
    const { last, at } = await StepLog.resume(path, step, quiet);
    assert.deepEqual([last?.step, last?.timings.at, at], [step || undefined, step < 2 ? undefined : 1000 + step, 1003]);
  }
  assert.equal((await StepLog.resume(await fileOf(lines(1, 3)), 2, quiet)).at, undefined);
});

test('what a crash left at the end is cut', async () => {
  const half = stepLine(record(7)).slice(0, 50);
  const unended = stepLine(record(7)).trimEnd();
  const long = '\0'.repeat(600_000);
  const ends = [half, unended, zeros, `${half}\n`, `${zeros}\n${half}`, `${half}${zeros}${lines(9, 9)}`, `\n\n`];
  for (const end of [...ends, long, `${long}\n`, `${long}${lines(9, 12)}${long}\n${half}`, lines(8, 9) + half]) {
    const path = await fileOf(lines(1, 6) + end);
    const { last } = await StepLog.resume(path, 6, quiet);
    assert.deepEqual(last, record(6));
    assert.equal(await readFile(path, 'utf8'), lines(1, 6));
  }
});

test('a resumed log reports once which steps it lacks', async () => {
  const notices: string[] = [];
  const onNotice = (notice: string) => notices.push(notice);
  const path = await fileOf(lines(1, 6) + zeros);
  const { log, last } = await StepLog.resume(path, 9, { onNotice });
  assert.equal(last, undefined);
  log.append(record(10));
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines(1, 6) + lines(10, 10));
  await StepLog.resume(await fileOf(lines(1, 8)), 9, { onNotice });
  await StepLog.resume(await fileOf(zeros), 9, { onNotice });
  assert.deepEqual(notices, [
    'steps.jsonl lacks lines of the steps 7 to 9; training continues',
    'steps.jsonl lacks step 9; training continues',
    'steps.jsonl lacks lines of the steps 1 to 9; training continues',
  ]);
});

test('a missing file is made again', async () => {
  const path = await newPath();
  const notices: string[] = [];
  const { log, last } = await StepLog.resume(path, 4, { onNotice: (notice) => notices.push(notice) });
  assert.equal(last, undefined);
  assert.deepEqual(notices, ['steps.jsonl lacks lines of the steps 1 to 4; training continues']);
  log.append(record(5));
  await log.close();
  assert.equal(await readFile(path, 'utf8'), lines(5, 5));
  await StepLog.resume(await newPath(), 0, quiet);
});

test('a file that cannot be opened or cut is refused', async () => {
  await assertRefused(
    StepLog.resume(root, 1, quiet),
    new RegExp(`${root} could not be written: expected a plain file`),
  );
  const disk = new FakeDisk();
  disk.content = lines(1, 2);
  disk.failing.set('sync', new Error('EIO'));
  await assertRefused(resumeOn(disk, 1), /EIO/);
  assert.deepEqual(disk.done, ['open', 'truncate', 'sync', 'close']);
});

test('wherever chunks begin, the cut is after the line of the step', async () => {
  const text = lines(1, 9000);
  const chunked = new FakeDisk();
  chunked.content = text;
  await resumeOn(chunked, 1);
  assert.ok(chunked.readFrom.length > 2);
  const across = chunked.readFrom.map((position) => text.slice(0, position).split('\n').length);
  for (const step of [9000, ...across.flatMap((step) => [step - 1, step, step + 1])].filter((step) => step > 0)) {
    const disk = new FakeDisk();
    disk.content = text;
    assert.equal((await resumeOn(disk, step)).last?.step, step);
    assert.ok(disk.content === lines(1, step), `cut wrongly after step ${step}`);
  }
});

test('only the end of a big file is read', async () => {
  const path = await fileOf(lines(1, 200_000) + zeros);
  let read = 0;
  const openFile: typeof openLogFile = async (...file) => {
    const opened = await openLogFile(...file);
    return {
      ...opened,
      read: (position, length) => {
        read += length;
        return opened.read(position, length);
      },
    };
  };
  const { last } = await StepLog.resume(path, 199_000, { ...quiet, openFile });
  assert.deepEqual(last, record(199_000));
  assert.ok(read > 0 && read <= 1 << 19, `${read} bytes were read`);
});
