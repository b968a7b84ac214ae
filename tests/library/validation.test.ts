// Runs with held-back samples from their first step to verify: on nodes, stopped and resumed, ended early.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readManifest } from '#src/coordinator/run/manifest.js';
import { openRun } from '#src/library/api/run.js';
import { resolveJob } from '#src/library/inputs.js';
import { runNode } from '#src/library/node.js';
import type { RunObserver } from '#src/library/observer.js';
import { train } from '#src/library/train.js';
import { verify } from '#src/library/verify.js';
import { madeFile } from '../support/made-images.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-validation-'));
after(() => rmSync(folder, { recursive: true }));

const data = madeFile(folder, 512, 64);
const env = { PATH: process.env.PATH, XDG_CACHE_HOME: join(folder, 'cache') };
const OPTIONS = {
  ...{ data, batch: 16, shardSize: 8, workers: 1, metricsPort: 'off', iterations: 60, evaluateEvery: 3 },
  ...{ validation: 0.2, keepBest: true, patience: 2, learningRate: 0.02, keep: 1, checkpointEvery: 5 },
};
/** What a result has of the machine, and of the attempt. */
const OWN = { run: '', seconds: 0, samplesPerSecond: 0, workers: 0, networkBytesPerStep: undefined };

async function run(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
  observer: RunObserver = {},
  stopAt = 0,
) {
  const stop = new AbortController();
  const job = await resolveJob({ flags: { ...OPTIONS, out: join(folder, name), ...options }, env });
  const onStep: RunObserver['onStep'] = ({ step }) => {
    if (step === stopAt) stop.abort();
  };
  const { state, result } = await train(job, { observers: [observer, { onStep }], stop: stop.signal });
  return { state, result: { ...result, ...OWN } };
}

const checkpointsOf = (name: string): string[] => readdirSync(join(folder, name, 'checkpoints')).sort();

/** All lines of a log without their timings. */
function linesOf(name: string): object[] {
  const lines = readFileSync(join(folder, name, 'steps.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => ({ ...JSON.parse(line), timings: undefined }));
}

const verified = (name: string) =>
  verify({ run: join(folder, name), spans: 99, workers: 1, env, print: () => {}, show: () => {} });

describe('a run with validation samples', () => {
  const whole = run('whole');

  it('ends early, keeps its best checkpoint, and is verified', async () => {
    const { state, result } = await whole;
    assert.equal(state, 'finished');
    assert.equal(result.stoppedEarly, true);
    assert.ok(
      result.steps < 60 && result.best !== undefined && result.best.step === result.steps - 6,
      `${result.steps}`,
    );
    const files = checkpointsOf('whole').map((file) => Number.parseInt(file.slice(5), 10));
    assert.ok(files.includes(result.best.step) && files.includes(result.steps), `${files}`);
    assert.ok(files.length <= 3, `${files}`);
    const { same, stated, damaged } = await verified('whole');
    assert.deepEqual([same, stated, damaged], [true, [], []]);
  });

  it('tells its best evaluation before it has a result', async () => {
    const { result } = await whole;
    const copy = join(folder, 'copy');
    cpSync(join(folder, 'whole'), copy, { recursive: true });
    const file = join(copy, 'run.json');
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), result: undefined }));
    const opened = await openRun(copy);
    assert.deepEqual([opened.result, await opened.best()], [undefined, result.best]);
    assert.equal((await opened.network({ step: 'best' })).step, result.best?.step);
    rmSync(join(copy, 'checkpoints'), { recursive: true });
    assert.equal(await opened.best(), undefined);
  });

  it('keeps the checkpoint of the highest accuracy if it is to go by that, and is verified', async () => {
    const options = { keepBest: 'validation-accuracy', patience: 0, iterations: 30 };
    const { result } = await run('accuracy', options);
    const lines = linesOf('accuracy') as { step: number; validationAccuracy?: number; validationLoss?: number }[];
    const evaluated = lines.filter(({ validationAccuracy }) => validationAccuracy !== undefined);
    const highest = Math.max(...evaluated.map(({ validationAccuracy = 0 }) => validationAccuracy));
    const { step = 0 } = evaluated.find(({ validationAccuracy }) => validationAccuracy === highest) ?? {};
    assert.deepEqual([result.best?.step, result.best?.validationAccuracy], [step, highest]);
    assert.ok(checkpointsOf('accuracy').includes(`step-${String(step).padStart(8, '0')}.safetensors`));
    const { same, stated } = await verified('accuracy');
    assert.deepEqual([same, stated], [true, []]);
  });

  it('is refused if it is to go by a figure that its model lacks', async () => {
    await assert.rejects(run('r2', { keepBest: 'validation-r2' }), /^UsageError: --keep-best: .*validation-accuracy/);
  });

  it('passes on its result once it is finished, early or not', async () => {
    const { result } = await whole;
    const again = await run('whole', { out: undefined, data: undefined, resume: join(folder, 'whole') });
    assert.deepEqual(again.result, result);
  });

  it('is refused by verify if its best is another, or the early end is left out', async () => {
    const { result } = await whole;
    const file = join(folder, 'whole', 'run.json');
    const text = readFileSync(file, 'utf8');
    const { best } = result;
    for (const [from, to, field] of [
      [`"step": ${best?.step},`, `"step": ${Number(best?.step) - 3},`, 'result.best'],
      ['"stoppedEarly": true,', '', 'result.stoppedEarly'],
    ] as const) {
      assert.ok(text.includes(from));
      writeFileSync(file, text.replace(from, to));
      const { same, stated } = await verified('whole');
      assert.equal(same, false);
      assert.ok(
        stated.some((each) => each.field === field),
        JSON.stringify(stated),
      );
    }
    writeFileSync(file, text);
  });

  it('has the same lines, best and end if it is stopped and resumed, on other workers', async () => {
    const { result } = await whole;
    const stopAt = Number(result.best?.step) + 1;
    const { state } = await run('cut', {}, {}, stopAt);
    assert.equal(state, 'stopped');
    const resumed = await run('cut', { out: undefined, data, resume: join(folder, 'cut'), workers: 2 });
    assert.deepEqual(resumed, await whole);
    assert.deepEqual(linesOf('cut'), linesOf('whole'));
    assert.ok(checkpointsOf('cut').includes(`step-${String(result.best?.step).padStart(8, '0')}.safetensors`));
    assert.equal((await verified('cut')).same, true);
  });

  it('has the same lines on a node alone', async () => {
    const left = new AbortController();
    let node: Promise<unknown> = Promise.resolve();
    const onEvent: RunObserver['onEvent'] = (event) => {
      const url = event.kind === 'notice' ? /--connect (\S+)/.exec(event.message)?.[1] : undefined;
      if (url === undefined) return;
      const options = { url, token: undefined, ca: undefined, threads: 2, name: 'node', data: undefined, keep: false };
      const cache = { XDG_CACHE_HOME: join(folder, 'node') };
      node = runNode({ ...options, env: cache, stop: left.signal, onEvent: () => {} });
    };
    const remote = await run('remote', { workers: 0, listen: '127.0.0.1:0' }, { onEvent });
    await node;
    assert.deepEqual(remote, await whole);
    assert.deepEqual(linesOf('remote'), linesOf('whole'));
  });

  it('is refused if it leaves too little, and leaves no files behind', async () => {
    await assert.rejects(run('refused', { validation: 0.999 }), {
      code: 'ERR_USAGE',
      message: /--validation: 0\.999 leaves no /,
    });
    assert.deepEqual(readdirSync(folder).includes('refused'), false);
  });

  it('is not resumed with another share', async () => {
    const again = { out: undefined, resume: join(folder, 'whole'), validation: 0.3 };
    await assert.rejects(run('whole', again), /--validation: the run has 0\.2, but this is 0\.3/);
    assert.equal((await readManifest(join(folder, 'whole'))).config.validation, 0.2);
  });
});
