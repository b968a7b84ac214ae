// Runs on tables: a perceptron learns from small real ones as well as scikit-learn's own of the same size.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { resolveJob } from '#src/library/inputs.js';
import { train } from '#src/library/train.js';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { TABLE_FILE } from '#src/shared/data/sources/table.js';
import { runPython, skipWithout } from '../inspect/export/python.ts';
import { lockstep, manifestOf, type Program, startLockstep, stepsOf } from '../support/program.ts';

const SCRIPT = fileURLToPath(new URL('../../../tests/e2e/sklearn_folds.py', import.meta.url));
const [UNITS, BATCH, STEPS, RATE] = [32, 32, 300, 0.003];
const FOLDS = 5;
/** Points of accuracy or R². */
const MAX_BEHIND = 0.03;
/** Whole numbers, which without this would be classes. */
const AMOUNTS: ReadonlySet<string> = new Set(['diabetes']);

const folder = mkdtempSync(join(tmpdir(), 'lockstep-tables-'));
after(() => rmSync(folder, { recursive: true }));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
});

const model = join(folder, 'model.json');
const LAYERS = [{ kind: 'dense', units: UNITS }, { kind: 'relu' }, { kind: 'dense' }];
writeFileSync(model, JSON.stringify({ name: 'own', layers: LAYERS }));

/** @returns the accuracy, or R² */
async function scoreOf(set: string, fold: number): Promise<number> {
  const path = join(folder, set, `${fold}`);
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: join(folder, 'cache') };
  const reading = { target: 'y', head: AMOUNTS.has(set) ? 'mse' : undefined };
  const found = await TABLE_FILE.find({ path, names: readdirSync(path) }, { env, print: () => {}, reading });
  const data = join(path, 'packed.safetensors');
  writeFileSync(data, Buffer.concat(packedPieces(await found.read(OWN_ARRAYS))));
  const options = {
    iterations: STEPS,
    batch: BATCH,
    learningRate: RATE,
    schedule: 'constant',
    warmup: 0,
    evaluateEvery: 0,
  };
  const flags = { ...options, data, model, workers: 1, metricsPort: 'off', out: join(path, 'run') };
  const { result } = await train(await resolveJob({ flags, env }));
  return (result.testAccuracy ?? result.testR2) as number;
}

const skip = skipWithout(['sklearn']);

describe('a perceptron on tables of scikit-learn', { skip }, () => {
  const theirs: Readonly<Record<string, number>> = skip
    ? {}
    : JSON.parse(runPython([SCRIPT, folder, ...[UNITS, BATCH, STEPS, RATE].map(String)]));

  for (const set of ['iris', 'wine', 'breast_cancer', 'digits', 'diabetes'])
    it(`is as good as scikit-learn's on ${set}`, async (t) => {
      const scores: number[] = [];
      for (let fold = 0; fold < FOLDS; fold++) scores.push(await scoreOf(set, fold));
      const mean = scores.reduce((sum, score) => sum + score, 0) / FOLDS;
      const other = theirs[set] as number;
      t.diagnostic(`${set}: ${mean.toFixed(4)}, scikit-learn ${other.toFixed(4)}`);
      assert.ok(mean > other - MAX_BEHIND, `${mean} of ${scores.join(', ')}, but scikit-learn has ${other}`);
    });
});

describe('a run on a table', () => {
  const table = join(folder, 'own.csv');
  // A sum of a number and what a word stands for.
  const rows = Array.from({ length: 400 }, (_, i) => {
    const [x, town] = [(i * 37) % 101, i % 3];
    return `${x},${['Bern', 'Oslo', 'Rome'][town]},${(x / 10 + 3 * town).toFixed(2)},${x > 50 ? 'high' : 'low'}`;
  });
  writeFileSync(table, ['x,town,sum,level', ...rows].join('\n'));
  const usual = ['--model', 'mlp', '--iterations', '120', '--batch', '32', '--metrics-port', 'off', '--json'];

  async function packed(target: string): Promise<string> {
    const env = { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') };
    const found = await TABLE_FILE.find(
      { path: table, names: undefined },
      { env, print: () => {}, reading: { target } },
    );
    const path = join(folder, `${target}.safetensors`);
    writeFileSync(path, Buffer.concat(packedPieces(await found.read(OWN_ARRAYS))));
    return path;
  }

  function succeed(...args: string[]): { stdout: string; stderr: string } {
    const { status, stdout, stderr } = lockstep(args);
    assert.equal(status, 0, stderr);
    return { stdout, stderr };
  }

  for (const [target, figure] of [
    ['sum', 'testR2'],
    ['level', 'testAccuracy'],
  ] as const)
    it(`to tell ${target} has the same bits on any number of workers and by nodes, is verified and evaluated`, async () => {
      const data = await packed(target);
      const [one, two, remote] = [1, 2, 3].map((n) => join(folder, `${target}-${n}`)) as [string, string, string];
      const first = JSON.parse(succeed('train', ...usual, '--data', data, '--workers', '1', '--out', one).stdout);
      assert.ok(first[figure] > 0.95, `${figure} ${first[figure]}`);
      const second = JSON.parse(succeed('train', ...usual, '--data', data, '--workers', '2', '--out', two).stdout);
      assert.deepEqual(
        [second.weightsSha256, second.chain, second[figure]],
        [first.weightsSha256, first.chain, first[figure]],
      );
      const run = startLockstep([
        'train',
        ...usual,
        '--data',
        data,
        '--workers',
        '0',
        '--listen',
        '127.0.0.1:0',
        '--out',
        remote,
      ]);
      started.push(run);
      const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
      started.push(
        startLockstep(['worker', '--connect', url, '--threads', '1'], { XDG_CACHE_HOME: join(folder, 'cache') }),
      );
      const { status, stdout, stderr } = await run.ended;
      assert.equal(status, 0, stderr);
      const third = JSON.parse(stdout);
      assert.deepEqual([third.weightsSha256, third[figure]], [first.weightsSha256, first[figure]]);
      assert.equal((manifestOf(one).config as { augment: string }).augment, 'none');
      succeed('verify', one, '--data', data);
      assert.equal(JSON.parse(succeed('evaluate', one, '--data', data, '--json').stdout)[figure], first[figure]);
      const last = stepsOf(one).at(-1) as Record<string, unknown>;
      assert.equal(last[figure], first[figure]);
    });

  it('says that rows are not shifted if that was asked for', async () => {
    const flags = [
      '--iterations',
      '2',
      '--model',
      'mlp',
      '--augment',
      'shift',
      '--metrics-port',
      'off',
      '--workers',
      '1',
    ];
    const { status, stderr } = lockstep([
      'train',
      ...flags,
      '--data',
      await packed('sum'),
      '--out',
      join(folder, 'shifted'),
    ]);
    assert.equal(status, 2);
    assert.match(stderr, /shift changes pictures, but a sample of the data set has one row and one column/);
  });
});
