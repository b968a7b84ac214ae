import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readManifest } from '#src/coordinator/run/manifest.js';
import { sampleSpans, spansOf } from '#src/library/verify/spans.js';
import { type Verification, type VerificationOptions, verifyRun } from '#src/library/verify/verification.js';
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  trainingStateOf,
} from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName, checkpointsIn } from '#src/shared/checkpoint/checkpoint-file.js';
import { syntheticDataset } from '#src/shared/data/synthetic.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';

type Line = Record<string, unknown>;
type State = Parameters<typeof encodeCheckpoint>[0];

const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const ENV = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };
const TRAIN = ['--batch', '16', '--workers', '2', '--data', 'synthetic', '--metrics-port', 'off'];
const INTERVALS = ['--checkpoint-every', '20', '--evaluate-every', '25', '--hash-every', '10'];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-verify-'));
after(() => rmSync(folder, { recursive: true }));
const intact = join(folder, 'sound');
const dataset = syntheticDataset({ allocate: (length) => new Uint8Array(length) });
const layout = layoutOf(lenet5('softmax', 0));

function lockstep(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { cwd: folder, encoding: 'utf8', env: ENV });
}

function train(...args: string[]): void {
  const { status, stderr } = lockstep('train', ...TRAIN, ...args);
  assert.equal(status, 0, stderr);
}

/** Sends SIGTERM at the first line about a step. */
async function trainUntilStopped(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'train', ...args], {
    cwd: folder,
    env: ENV,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  for await (const line of createInterface(child.stderr)) if (line.startsWith('step ')) child.kill('SIGTERM');
  assert.deepEqual(await exit, [143, null]);
}

let copies = 0;

/** A copy of a run, to be tampered with. */
function copyOf(run: string): string {
  const copy = join(folder, `copy-${++copies}`);
  cpSync(run, copy, { recursive: true });
  return copy;
}

function linesOf(run: string): string[] {
  return readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
}

function writeLines(run: string, lines: readonly string[]): void {
  writeFileSync(join(run, 'steps.jsonl'), lines.map((line) => `${line}\n`).join(''));
}

/** Changes one step's line; gives what it was. */
function changeLine(run: string, step: number, change: (line: Line) => Line): Line {
  const lines = linesOf(run);
  const line = JSON.parse(lines[step - 1] as string) as Line;
  writeLines(run, lines.with(step - 1, JSON.stringify(change(line))));
  return line;
}

function changeManifest(run: string, change: (manifest: Line) => Line): void {
  const file = join(run, 'run.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
}

function checkpointOf(run: string, step: number): string {
  return join(run, 'checkpoints', checkpointName(step));
}

/** Replaces a checkpoint by another state with a digest of its own: nothing about the file alone is wrong. */
function forge(run: string, step: number, change: (state: State) => Partial<State>): void {
  const file = checkpointOf(run, step);
  const checkpoint: Checkpoint = decodeCheckpoint(readFileSync(file), file);
  const state: State = { ...checkpoint, ...trainingStateOf(checkpoint, layout), layout };
  writeFileSync(file, encodeCheckpoint({ ...state, ...change(state) }));
}

function flipBit(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(file, bytes);
}

/** All spans, by one worker. */
async function verify(run: string, options: Partial<VerificationOptions> = {}): Promise<Verification> {
  return verifyRun({
    ...{ run, dataset, manifest: await readManifest(run), spans: Number.POSITIVE_INFINITY, workers: 1 },
    ...{ memory: new SharedMemory(), print: () => {}, show: () => {} },
    ...options,
  });
}

function firstOf({ recomputed }: Verification, to: number) {
  return recomputed.spans.find((span) => span.to === to)?.first;
}

before(() => train('--iterations', '60', ...INTERVALS, '--schedule', 'constant', '--out', intact));

describe('a sound run', () => {
  test('is the same with another number of workers', () => {
    const { status, stdout, stderr } = lockstep('verify', intact, '--all', '--workers', '3');
    assert.equal(status, 0, stderr);
    assert.deepEqual(stdout.split('\n'), [
      'run         sound',
      'log         60 steps, none missing',
      'hash chain  6 links, the same',
      'recomputed  3 of 3 spans, 60 of 60 steps (100 %), with 3 workers',
      '  steps 1 to 20: the same',
      '  steps 21 to 40: the same',
      '  steps 41 to 60: the same',
      'All that was compared is the same, bit for bit.',
      '',
    ]);
    assert.equal(stderr, 'Data: SYNTHETIC digits, not MNIST: the checkpoint was trained on them.\n');
  });

  test('--spans computes that many, and the share is said', () => {
    const { status, stdout, stderr } = lockstep('verify', intact, '--spans', '2', '--json');
    assert.equal(status, 0, stderr);
    const { recomputed, same } = JSON.parse(stdout) as Verification;
    assert.deepEqual([recomputed.steps, recomputed.share, recomputed.of, same], [40, 2 / 3, 3, true]);
    assert.equal(new Set(recomputed.spans.map(({ from }) => from)).size, 2);
  });

  test('may lack checkpoints: a span goes on to the next, the last one to the last line', async () => {
    const run = copyOf(intact);
    for (const step of [20, 60]) rmSync(checkpointOf(run, step));
    writeLines(run, linesOf(run).slice(0, 55));
    assert.equal((await verify(run, { spans: 0 })).log.problem, 'steps 56 to 60 are missing at its end');
    changeManifest(run, ({ chain: _, ...manifest }) => ({ ...manifest, state: 'running' }));
    const found = await verify(run);
    assert.equal(found.same, true);
    assert.deepEqual(
      found.recomputed.spans.map(({ from, to }) => [from, to]),
      [
        [0, 40],
        [40, 55],
      ],
    );
    changeLine(run, 52, (line) => ({ ...line, accuracy: 1 }));
    assert.equal(firstOf(await verify(run), 55)?.step, 52);
  });

  test('may go on: a span whose checkpoint is removed meanwhile is left out', async () => {
    const run = copyOf(intact);
    const [said, shown]: [string[], string[]] = [[], []];
    const found = await verify(run, {
      print: (line) => said.push(line),
      show: (text) => {
        rmSync(checkpointOf(run, 20), { force: true });
        shown.push(text);
      },
    });
    assert.deepEqual([found.same, found.recomputed.steps, said.length], [true, 40, 1]);
    assert.match(said[0] as string, /^Left out steps 21 to 40:/);
    assert.deepEqual([shown[0], shown.at(-1)], ['Recomputing step 1: 1 of 60 steps', '']);
  });

  test('may have been begun by --init', async () => {
    const run = join(folder, 'begun');
    train('--iterations', '40', ...INTERVALS, '--init', checkpointOf(intact, 20), '--out', run);
    const found = await verify(run);
    assert.deepEqual([found.same, found.recomputed.steps], [true, 40]);
    forge(run, 0, ({ weights }) => ({ weights: weights.with(9, 0.5) }));
    assert.match((await verify(run)).damaged[0]?.problem ?? '', /holds other weights than the run began with/);
    // Without its beginning, the run can be checked from the next checkpoint on, but not as a whole.
    rmSync(checkpointOf(run, 0));
    const rest = await verify(run);
    assert.deepEqual([rest.same, rest.recomputed.share], [false, 0.5]);
    assert.match(rest.damaged[0]?.problem ?? '', /which the run began with by --init, is missing/);
  });

  test('may have been stopped and resumed, with more iterations and other intervals', async () => {
    const run = join(folder, 'resumed');
    train('--iterations', '30', ...INTERVALS, '--schedule', 'constant', '--out', run);
    const more = ['--metrics-port', 'off', '--evaluate-every', '40', '--checkpoint-every', '35'];
    await trainUntilStopped('--resume', run, '--iterations', '1000000', ...more);
    await trainUntilStopped('--resume', run, ...more);
    const found = await verify(run);
    assert.equal(found.same, true);
    assert.equal(found.recomputed.share, 1);
    assert.deepEqual(
      found.recomputed.spans.slice(0, 3).map(({ to }) => to),
      [20, 30, 35],
    );
    // No interval of the last attempt says that step 30 was evaluated.
    changeLine(run, 30, (line) => ({ ...line, testAccuracy: 0.99 }));
    const first = firstOf(await verify(run), 30);
    assert.deepEqual([first?.step, first?.field, first?.logged], [30, 'testAccuracy', 0.99]);
  });
});

describe('a changed log', () => {
  test('exits with 1 and says where, and what both have', () => {
    const run = copyOf(intact);
    const changed = (loss: unknown) => Number(String(loss).replace(/\d$/, (digit) => String((Number(digit) + 5) % 10)));
    const { loss } = changeLine(run, 33, (line) => ({ ...line, loss: changed(line.loss) }));
    const { status, stdout } = lockstep('verify', run, '--all');
    assert.equal(status, 1);
    const line = `  steps 21 to 40: DIFFER first at step 33: loss is ${changed(loss)}, computed ${loss}\n`;
    assert.ok(stdout.includes(line), stdout);
    assert.match(stdout, /^The run is NOT what was computed here\.$/m);
  });

  for (const [field, step, value] of [
    ['accuracy', 7, 0.5],
    ['learningRate', 21, 0.1],
    ['gradientNorm', 40, 1.5],
    ['testLoss', 25, null],
    ['testAccuracy', 50, 0.5],
    ['weightsSha256', 20, 'f'.repeat(64)],
    ['chain', 30, undefined],
  ] as const) {
    test(`shows in ${field}`, async () => {
      const run = copyOf(intact);
      const { [field]: was } = changeLine(run, step, (line) => ({ ...line, [field]: value }));
      const found = await verify(run);
      assert.equal(found.same, false);
      const first = firstOf(found, Math.ceil(step / 20) * 20);
      assert.deepEqual([first?.step, first?.field, first?.computed], [step, field, was]);
      assert.equal(found.recomputed.spans.filter(({ same }) => !same).length, 1);
    });
  }

  test('says which steps are missing, twice there or unreadable', async () => {
    const lines = linesOf(intact);
    const cases: readonly (readonly [string[], RegExp])[] = [
      [lines.toSpliced(32, 1), /^step 33 is missing$/],
      [lines.toSpliced(32, 3), /^steps 33 to 35 are missing$/],
      [lines.toSpliced(32, 0, lines[32] as string), /^step 33 is there twice$/],
      [lines.toSpliced(32, 0, lines[2] as string), /^step 3 comes after step 32$/],
      [lines.slice(0, 57), /^steps 58 to 60 are missing at its end$/],
      [lines.with(32, '{"step":33'), /line 33: /],
    ];
    const run = copyOf(intact);
    for (const [changed, problem] of cases) {
      writeLines(run, changed);
      const { log, same, steps } = await verify(run, { spans: 0 });
      assert.match(log.problem ?? 'none', problem);
      assert.deepEqual([log.same, same, steps], [false, false, 60]);
    }
    writeLines(run, lines.toSpliced(32, 1));
    assert.equal(firstOf(await verify(run), 40), undefined);
    // A log is on the disk before its checkpoints are, so this holds while the run goes on too.
    writeLines(run, lines.slice(0, 57));
    changeManifest(run, (manifest) => ({ ...manifest, state: 'running' }));
    assert.equal((await verify(run, { spans: 0 })).log.problem, 'steps 58 to 60 are missing at its end');
  });
});

describe('the hash chain', () => {
  test('is computed over the whole log, whatever is recomputed', async () => {
    const run = copyOf(intact);
    changeLine(run, 30, (line) => ({ ...line, loss: 1 }));
    const { chain, same } = await verify(run, { spans: 0 });
    assert.deepEqual([chain.same, same, chain.links, chain.first?.step], [false, false, 6, 30]);
    for (const weightsSha256 of ['', 'abc', undefined]) {
      changeLine(run, 20, (line) => ({ ...line, weightsSha256 }));
      assert.equal((await verify(run, { spans: 0 })).chain.first?.step, 20);
    }
  });

  test("ends with run.json's value, unless the run goes on", async () => {
    const run = copyOf(intact);
    changeManifest(run, (manifest) => ({ ...manifest, chain: 'f'.repeat(64) }));
    const { chain } = await verify(run, { spans: 0 });
    assert.deepEqual(chain.first, { logged: 'f'.repeat(64), computed: chain.value });
    changeManifest(run, (manifest) => ({ ...manifest, state: 'running' }));
    assert.equal((await verify(run, { spans: 0 })).same, true);
  });
});

describe('a checkpoint', () => {
  test('that was forged, its own digest right, is found from both sides', async () => {
    const run = copyOf(intact);
    forge(run, 40, ({ weights }) => ({ weights: weights.with(5, 0.25) }));
    const found = await verify(run);
    assert.deepEqual([found.same, found.damaged], [false, []]);
    const before = firstOf(found, 40);
    assert.deepEqual([before?.step, before?.field], [40, 'checkpoint.weightsSha256']);
    assert.equal(before?.computed, JSON.parse(linesOf(run)[39] as string).weightsSha256);
    assert.equal(firstOf(found, 60)?.step, 41);
    assert.equal(lockstep('verify', run, '--all').status, 1);
  });

  test("has the optimizer's moments and the chain's value that come out", async () => {
    const cases: readonly (readonly [string, (state: State) => Partial<State>])[] = [
      ['optimizer.m', ({ optimizer }) => ({ optimizer: { ...optimizer, m: optimizer.m.with(5, 1) } })],
      ['optimizer.v', ({ optimizer }) => ({ optimizer: { ...optimizer, v: optimizer.v?.with(5, 1) } })],
      ['chain', () => ({ chain: 'f'.repeat(64) })],
    ];
    for (const [field, change] of cases) {
      const run = copyOf(intact);
      forge(run, 60, change);
      const first = firstOf(await verify(run), 60);
      assert.deepEqual([first?.step, first?.field], [60, `checkpoint.${field}`]);
    }
  });

  test('from which training diverges is no crash', async () => {
    const run = copyOf(intact);
    forge(run, 40, ({ weights }) => ({ weights: weights.map(() => 1e38) }));
    const first = firstOf(await verify(run), 60);
    assert.deepEqual([first?.step, first?.field, first?.computed], [41, 'loss', 'not finite']);
  });

  test('that is damaged is named and counts, and the span goes on to the next', async () => {
    const run = copyOf(intact);
    const file = checkpointOf(run, 20);
    flipBit(file);
    const { status, stdout } = lockstep('verify', run, '--all');
    assert.equal(status, 1);
    assert.ok(stdout.includes(`checkpoint  DAMAGED: ${file}`), stdout);
    assert.match(stdout, /^ {2}steps 1 to 40: the same$/m);
  });

  test("that has another step's name is damaged", async () => {
    const run = copyOf(intact);
    cpSync(checkpointOf(run, 20), checkpointOf(run, 40));
    forge(run, 60, ({ optimizer }) => ({ optimizer: { ...optimizer, v: undefined } }));
    const { damaged, recomputed } = await verify(run);
    assert.match(damaged[0]?.problem ?? '', /step-00000040\.safetensors holds step 20/);
    assert.deepEqual(
      recomputed.spans.map(({ to, same }) => [to, same]),
      [
        [20, true],
        [60, true],
      ],
    );
  });
});

test('what cannot be verified here is bad usage', () => {
  const run = copyOf(intact);
  for (const [digest, message] of [
    ['numerics', /^copy-\d+ can't be verified by this build: .* ffffffffffff, .* Use the build that trained it/],
    ['dataset', /^copy-\d+ can't be verified with this data set: .* ffffffffffff, .*--data/m],
  ] as const) {
    const { digests } = JSON.parse(readFileSync(join(intact, 'run.json'), 'utf8'));
    changeManifest(run, (manifest) => ({ ...manifest, digests: { ...digests, [digest]: 'f'.repeat(64) } }));
    const { status, stdout, stderr } = lockstep('verify', run, '--data', 'synthetic');
    assert.match(stderr, message);
    assert.deepEqual([status, stdout], [2, '']);
  }
  for (const spans of ['0', '-1', '1.5', 'x']) {
    const { status, stderr } = lockstep('verify', run, '--spans', spans);
    assert.match(stderr, /^--spans: expected a whole number from 1/);
    assert.equal(status, 2);
  }
});

describe('spans', () => {
  test('reach from checkpoint to checkpoint, and to the last line', async () => {
    const all = (await checkpointsIn(join(intact, 'checkpoints'))).reverse();
    const [first, second, third] = all.map(({ file }) => file);
    assert.deepEqual(spansOf(all, { initialized: true, last: 61 }), [
      { from: 0, to: 20, start: undefined, end: first },
      { from: 20, to: 40, start: first, end: second },
      { from: 40, to: 60, start: second, end: third },
      { from: 60, to: 61, start: third, end: undefined },
    ]);
    assert.deepEqual(
      spansOf(all, { initialized: false, last: 60 }).map(({ from }) => from),
      [20, 40],
    );
    assert.deepEqual(spansOf([], { initialized: true, last: 0 }), []);
  });

  test('are drawn without repetition and put in order', () => {
    const spans = spansOf([], { initialized: true, last: 1 }).flatMap((span) =>
      [0, 1, 2, 3, 4].map((from) => ({ ...span, from, to: from + 1 })),
    );
    const picks = [4, 0, 0];
    const sample = sampleSpans(spans, 3, (below) => {
      const pick = picks.shift() as number;
      assert.ok(pick < below);
      return pick;
    });
    assert.deepEqual(
      sample.map(({ from }) => from),
      [0, 1, 4],
    );
    assert.equal(sampleSpans(spans, 9).length, 5);
  });
});
