import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, renameSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  asKilled,
  changeLine,
  changeManifest,
  checkpointOf,
  copyOf,
  firstOf,
  folder,
  forge,
  intact,
  linesOf,
  type State,
  verify,
  writeLines,
} from './tampered.ts';

describe('an intact run', () => {
  test('may lack checkpoints: a span extends to the next one, the last span to the last line', async () => {
    const run = copyOf(intact);
    for (const step of [20, 60]) rmSync(checkpointOf(run, step));
    writeLines(run, linesOf(run).slice(0, 55));
    assert.equal((await verify(run, { spans: 0 })).log.problem, 'steps 56 to 60 are missing at its end');
    asKilled(run);
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

  test('may be running: a span whose checkpoint is removed meanwhile is left out', async () => {
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
});

describe('a changed log', () => {
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

  test('names the steps that are missing, duplicated or unreadable', async () => {
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
    // A log is on the disk before its checkpoints are, so this holds for a running run too.
    writeLines(run, lines.slice(0, 57));
    changeManifest(run, (manifest) => ({ ...manifest, state: 'running' }));
    assert.equal((await verify(run, { spans: 0 })).log.problem, 'steps 58 to 60 are missing at its end');
  });
});

describe('a hostile run', () => {
  test('has a step that is never reached: what the log lacks is not recomputed', async () => {
    const run = copyOf(intact);
    const last = JSON.parse(linesOf(run).at(-1) as string);
    writeLines(run, [...linesOf(run), JSON.stringify({ ...last, step: Number.MAX_SAFE_INTEGER })]);
    const said: string[] = [];
    const found = await verify(run, { print: (line) => said.push(line) });
    assert.equal(found.same, false);
    assert.equal(found.log.problem, `steps 61 to ${Number.MAX_SAFE_INTEGER - 1} are missing`);
    assert.deepEqual(
      found.recomputed.spans.map(({ to, same }) => [to, same]),
      [
        [20, true],
        [40, true],
        [60, true],
      ],
    );
    assert.deepEqual(said, [`Left out steps 61 to ${Number.MAX_SAFE_INTEGER}: the log lacks most of them.`]);
  });

  test('has a checkpoint of a step that is never reached', async () => {
    const run = copyOf(intact);
    const step = 999_999_999_999_999;
    asKilled(run);
    forge(run, 60, () => ({ step }));
    renameSync(checkpointOf(run, 60), checkpointOf(run, step));
    const found = await verify(run);
    assert.deepEqual([found.same, found.log.problem], [false, `steps 61 to ${step} are missing at its end`]);
    assert.deepEqual(
      found.recomputed.spans.map(({ to }) => to),
      [20, 40],
    );
  });

  test('has a device, a pipe or a folder for a log', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const target of ['/dev/zero', pipe, folder]) {
      const run = copyOf(intact);
      const log = join(run, 'steps.jsonl');
      rmSync(log);
      symlinkSync(target, log);
      const { log: found, same } = await verify(run);
      assert.equal(same, false);
      assert.match(found.problem ?? '', /expected a plain file, but it is a pipe, a device or a folder/);
    }
  });

  test('has a checkpoint that is larger than any, which is not read', async () => {
    const run = copyOf(intact);
    truncateSync(checkpointOf(run, 40), 2 ** 31);
    const { damaged } = await verify(run, { spans: 0 });
    assert.match(damaged[0]?.problem ?? '', /holds 2147483648 bytes, where at most \d{6,9} were expected/);
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

  test("ends with run.json's value, unless the run is running", async () => {
    const run = copyOf(intact);
    changeManifest(run, (manifest) => ({ ...manifest, chain: 'f'.repeat(64) }));
    const { chain } = await verify(run, { spans: 0 });
    assert.deepEqual(chain.first, { logged: 'f'.repeat(64), computed: chain.value });
    asKilled(run);
    assert.equal((await verify(run, { spans: 0 })).same, true);
  });
});

describe('a checkpoint', () => {
  test('has the computed moments and chain value', async () => {
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
