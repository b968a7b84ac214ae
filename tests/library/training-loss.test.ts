// Runs with --class-weights and --label-smoothing, on a small set of two classes of which one is rare.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { findModel } from '#src/coordinator/run/saved-model.js';
import { evaluate } from '#src/library/evaluate.js';
import { resolveJob } from '#src/library/inputs.js';
import { runNode } from '#src/library/node.js';
import { train } from '#src/library/train.js';
import { verify } from '#src/library/verify.js';
import { classWeightsOf } from '#src/shared/config/loss-options.js';
import type { Dataset, Split } from '#src/shared/data/dataset.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { UsageError } from '#src/shared/util/errors.js';
import { PhiloxStream, PURPOSE } from '#src/shared/util/philox.js';
import { freePorts } from '../support/free-ports.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-loss-'));
after(() => rmSync(folder, { recursive: true }));
const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: join(folder, 'cache') };

/** Every tenth sample is of the rare class, whose values are somewhat higher. */
function split(index: number, count: number): Split {
  const stream = new PhiloxStream(index, PURPOSE.permutation);
  const targets = Uint16Array.from({ length: count }, (_, i) => (i % 10 === 0 ? 1 : 0));
  const inputs = Uint8Array.from({ length: 4 * count }, (_, i) => stream.below(200) + 50 * (targets[i >> 2] as number));
  return { inputs, targets, count };
}

function fileOf(name: string, set: Partial<Dataset>): string {
  const [shape, classNames] = [{ maps: 4, height: 1, width: 1, classes: 2 }, ['common', 'rare']];
  const made = { name, ...shape, classNames, sha256: '', train: split(1, 400), test: split(2, 400), ...set };
  const file = join(folder, `${name}.safetensors`);
  writeFileSync(file, Buffer.concat(packedPieces(made)));
  return file;
}

const model = join(folder, 'model.json');
writeFileSync(model, JSON.stringify({ name: 'one', layers: [{ kind: 'dense' }] }));
const data = fileOf('uneven', {});
const FLAGS = {
  data,
  model,
  batch: 40,
  shardSize: 4,
  learningRate: 0.03,
  schedule: 'constant',
  warmup: 0,
  evaluateEvery: 0,
};
const LOSS = { classWeights: 'balanced', labelSmoothing: 0.1 };

async function run(name: string, flags: Readonly<Record<string, unknown>>, onNotice = (_: string) => {}) {
  const common = flags.resume === undefined ? { ...FLAGS, out: join(folder, name) } : {};
  const job = await resolveJob({ flags: { ...common, iterations: 40, workers: 1, metricsPort: 'off', ...flags }, env });
  const onEvent = (event: { readonly kind: string; readonly message?: string }): void => onNotice(event.message ?? '');
  return (await train(job, { observers: [{ onEvent }] })).result;
}

/** The share of the rare class's test samples that a run tells. */
async function recallOf(name: string): Promise<number> {
  const notes: string[] = [];
  const options = { backend: 'kernel', env, print: (line: string) => notes.push(line) } as const;
  const { confusion } = await evaluate(await findModel(join(folder, name), options), options);
  assert.deepEqual(
    notes.filter((line) => line.startsWith('Note: ')),
    [],
  );
  return (confusion?.[1]?.[1] ?? 0) / 40;
}

const isRefused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UsageError, String(error));
  assert.match(error.message, message);
  return true;
};

describe('a run with a training loss of its own', async () => {
  const plain = await run('plain', {});
  const own = await run('own', LOSS);

  it('tells more of the rare class if the classes are balanced', async () => {
    const [before, after] = [await recallOf('plain'), await recallOf('own')];
    assert.ok(before < 0.4 && after > 0.7, `${before} and ${after}`);
  });

  it('has the weights in run.json, as numbers', () => {
    const { config } = JSON.parse(readFileSync(join(folder, 'own', 'run.json'), 'utf8'));
    assert.equal(config.classWeights, `${Math.fround(1 / 1.8)},5`);
    assert.equal(config.labelSmoothing, 0.1);
  });

  it('has the bits of the same weights as numbers, and others than a run without', async () => {
    const weights = `${Math.fround(1 / 1.8)}, 5.0`;
    assert.equal((await run('numbers', { ...LOSS, classWeights: weights })).weightsSha256, own.weightsSha256);
    for (const [name, flags] of Object.entries({
      smoothed: { labelSmoothing: 0.1 },
      weighted: { classWeights: '1,5' },
    })) {
      const { weightsSha256 } = await run(name, flags);
      assert.ok(weightsSha256 !== own.weightsSha256 && weightsSha256 !== plain.weightsSha256, name);
    }
  });

  for (const workers of [2, 3]) {
    it(`has the same bits by ${workers} workers`, async () => {
      const { weightsSha256, chain } = await run(`workers-${workers}`, { ...LOSS, workers });
      assert.deepEqual([weightsSha256, chain], [own.weightsSha256, own.chain]);
    });
  }

  it('has the same bits by a node alone', async () => {
    const [port] = await freePorts(1);
    const stop = new AbortController();
    const none = { token: undefined, ca: undefined, data: undefined, keep: false };
    const node = { ...none, url: `ws://127.0.0.1:${port}`, name: 'node', threads: 1, env, stop: stop.signal };
    const ended = runNode({ ...node, onEvent: () => {} });
    const { weightsSha256, chain } = await run('node', { ...LOSS, workers: 0, listen: `127.0.0.1:${port}` });
    assert.deepEqual([weightsSha256, chain], [own.weightsSha256, own.chain]);
    assert.equal(await ended, 'finished');
  });

  it('is verified', async () => {
    const options = { spans: 9, workers: 2, env, print: () => {}, show: () => {} };
    const { same, recomputed } = await verify({ ...options, run: join(folder, 'own') });
    assert.deepEqual([same, recomputed.steps], [true, 40]);
  });

  it('is resumed with the same options or none, and refuses others', async () => {
    const whole = await run('whole', { ...LOSS, iterations: 60 });
    await run('again', LOSS);
    const resume = join(folder, 'again');
    const more = { resume, iterations: 60 };
    for (const [flags, message] of [
      [{ labelSmoothing: 0.2 }, /--label-smoothing: the run has 0\.1, but this is 0\.2/],
      [{ classWeights: '1,5' }, /--class-weights: the run has 0\.5\d*,5, but this is 1,5/],
      [
        { ...more, resume: join(folder, 'plain'), classWeights: 'balanced' },
        /--class-weights: the run has none, but this is 0\.5\d*,5/,
      ],
    ] as const)
      await assert.rejects(run('', { ...more, ...flags }), isRefused(message));
    assert.equal((await run('', { ...more, ...LOSS })).weightsSha256, whole.weightsSha256);
    assert.equal((await run('', { resume, iterations: 60 })).weightsSha256, whole.weightsSha256);
  });
});

describe('a training loss is refused', () => {
  it('if there are more or fewer weights than classes', async () => {
    const message =
      /^--class-weights: expected 2 numbers, one for each class as `lockstep data` lists them, but got 3\. Give/;
    await assert.rejects(run('three', { classWeights: '1,2,3' }), isRefused(message));
  });

  it('if the head is another than softmax, which it names', async () => {
    const numbers = (count: number) => ({ ...split(1, count), targets: new Float32Array(2 * count) });
    const set = fileOf('numbers', { train: numbers(80), test: numbers(8) });
    for (const [option, flags] of [
      ['--class-weights', { classWeights: 'balanced' }],
      ['--label-smoothing', { labelSmoothing: 0.1 }],
    ] as const) {
      const message = new RegExp(`^${option}: expected a model with the head softmax, but one has the head mse\\.`);
      await assert.rejects(run('mse', { data: set, ...flags }), isRefused(message));
    }
  });

  it('if the head has one of its own', async () => {
    const head = { kind: 'softmax', labelSmoothing: 0.1 };
    const own = join(folder, 'smoothed.json');
    writeFileSync(own, JSON.stringify({ name: 'smoothed', layers: [{ kind: 'dense' }], head }));
    const message =
      /^--class-weights: expected a head without a labelSmoothing of its own, but that of smoothed has one\./;
    await assert.rejects(run('twice', { model: own, classWeights: '1,2' }), isRefused(message));
  });

  it('if a class to be balanced has no samples', () => {
    const train = { ...split(1, 40), targets: new Uint16Array(40) };
    const set = { train, classes: 2, classNames: ['common', 'rare'] };
    const message = /^--class-weights: balanced divides by the training samples of each class, but rare has none\./;
    assert.throws(() => classWeightsOf({ classWeights: 'balanced' }, set), isRefused(message));
    assert.equal(classWeightsOf({ classWeights: '1,2' }, set), '1,2');
  });
});

it('samples that are held back take no part in the balance', () => {
  const train = { ...split(1, 40), targets: Uint16Array.from({ length: 40 }, (_, i) => (i < 20 ? 0 : 1)) };
  const set = {
    train,
    validation: Int32Array.from({ length: 10 }, (_, i) => 20 + i),
    classes: 2,
    classNames: ['a', 'b'],
  };
  assert.equal(classWeightsOf({ classWeights: 'balanced' }, set), '0.75,1.5');
});
