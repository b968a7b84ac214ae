import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { RunEvent } from '#src/coordinator/train/observer.js';
import { resolveJob } from '#src/library/inputs.js';
import type { RunObserver } from '#src/library/observer.js';
import { train } from '#src/library/train.js';
import { verify } from '#src/library/verify.js';
import { UsageError } from '#src/shared/util/errors.js';
import { madeFile } from '../support/made-images.ts';
import { lockstep } from '../support/program.ts';
import { takenPort } from '../support/taken-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-library-'));
after(() => rmSync(folder, { recursive: true }));

const DATA = madeFile(folder, 512, 64);
const OPTIONS = { data: DATA, batch: 16, shardSize: 8, workers: 1, metricsPort: 'off', evaluateEvery: 0 };

/** A job whose run has this name, and what its observer is called for. */
async function jobOf(name: string, options: Readonly<Record<string, unknown>> = {}) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  const job = await resolveJob({ flags: { ...OPTIONS, iterations: 4, out: join(folder, name), ...options }, env });
  const calls: string[] = [];
  const observer: RunObserver = {
    onOpen: () => calls.push('open'),
    onStart: () => calls.push('start'),
    onStep: ({ step }) => calls.push(`step ${step}`),
    onEvaluation: () => calls.push('evaluation'),
    onCheckpoint: () => calls.push('checkpoint'),
    onResult: () => calls.push('result'),
    close: async () => {
      calls.push('close');
    },
  };
  return { job, calls, observer };
}

describe('a run by the library', () => {
  it('calls its observers in order, and closes them last', async () => {
    const { job, calls, observer } = await jobOf('whole');
    const { state, result } = await train(job, { observers: [observer] });
    assert.deepEqual([state, result.steps], ['finished', 4]);
    const order = calls.filter((call) => call !== 'checkpoint');
    const steps = ['step 1', 'step 2', 'step 3', 'evaluation', 'step 4'];
    assert.deepEqual(order, ['open', 'start', ...steps, 'result', 'close']);
  });

  it('that is finished passes on its result once more, and closes its observers', async () => {
    await train((await jobOf('twice')).job);
    const again = await jobOf('twice', { out: undefined, data: undefined, resume: join(folder, 'twice') });
    const { state, result } = await train(again.job, { observers: [again.observer] });
    assert.deepEqual([state, result.steps, again.calls], ['finished', 4, ['result', 'close']]);
  });

  it('has an id of its own that outlives a resume, and decides no bit', async () => {
    const manifestOf = (name: string) => JSON.parse(readFileSync(join(folder, name, 'run.json'), 'utf8'));
    const schedule = { schedule: 'constant' };
    const one = await train((await jobOf('named', schedule)).job);
    const other = await train((await jobOf('named-alike', schedule)).job);
    assert.equal(one.result.chain, other.result.chain);
    const { id } = manifestOf('named');
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.notEqual(manifestOf('named-alike').id, id);
    const resume = (name: string) => ({ out: undefined, resume: join(folder, name), iterations: 6 });
    await train((await jobOf('named', resume('named'))).job);
    assert.equal(manifestOf('named').id, id);
    // As an earlier version left it.
    const { id: _, ...before } = manifestOf('named-alike');
    writeFileSync(join(folder, 'named-alike', 'run.json'), JSON.stringify(before));
    const again = await train((await jobOf('named-alike', resume('named-alike'))).job);
    assert.equal(again.result.chain, manifestOf('named').chain);
    assert.match(manifestOf('named-alike').id, /^[0-9a-f]{16}$/);
  });

  it('ends with a checkpoint when its time is over, or it is told to, and says which', async () => {
    const timed = await jobOf('limited', { iterations: 1_000_000, maxTime: '0.5s' });
    const notices: string[] = [];
    const onEvent = (event: RunEvent) => event.kind === 'notice' && notices.push(event.message);
    const { state, stoppedBy, result } = await train(timed.job, { observers: [timed.observer, { onEvent }] });
    assert.deepEqual([state, stoppedBy], ['stopped', 'maxTime']);
    assert.ok(notices.includes('The time of --max-time is over: finishing this step, then saving.'));
    assert.ok(readdirSync(join(folder, 'limited', 'checkpoints')).some((name) => name.includes(`${result.steps}`)));
    const stopped = await jobOf('told', { iterations: 1_000_000, maxTime: '24d' });
    const control = new AbortController();
    const observer = { onStep: () => control.abort() };
    const told = await train(stopped.job, { observers: [observer], stop: control.signal });
    assert.deepEqual([told.state, told.stoppedBy], ['stopped', 'signal']);
    // Counted from elsewhere, the time is over when the run begins.
    const late = await jobOf('late', { iterations: 1_000_000, maxTime: '1h' });
    const outcome = await train(late.job, { timeFrom: performance.now() - 3_600_000 });
    assert.deepEqual([outcome.state, outcome.stoppedBy], ['stopped', 'maxTime']);
  });

  it('that is refused closes its observers', async () => {
    const { job, calls, observer } = await jobOf('refused', { data: join(folder, 'nowhere') });
    await assert.rejects(train(job, { observers: [observer] }), /nowhere/);
    assert.deepEqual(calls, ['close']);
  });

  it('that is refused leaves no files behind, so that its directory can be used', async (t) => {
    const port = await takenPort(t);
    const refused = await jobOf('bound', { listen: `127.0.0.1:${port}` });
    await assert.rejects(train(refused.job), { code: 'ERR_LISTEN' });
    assert.ok(!existsSync(join(folder, 'bound')));
    const { state } = await train((await jobOf('bound', { listen: '127.0.0.1:0' })).job);
    assert.equal(state, 'finished');
  });

  it('takes a checkpoint by time, with the same bits, and is verified', async () => {
    const [plain, timed] = [await jobOf('untimed'), await jobOf('timed', { checkpointMinutes: 1e-9 })];
    const sums = [];
    for (const { job, observer } of [plain, timed]) {
      sums.push((await train(job, { observers: [observer] })).result.weightsSha256);
    }
    assert.equal(sums[0], sums[1]);
    const taken = [plain, timed].map(({ calls }) => calls.filter((call) => call === 'checkpoint').length);
    assert.deepEqual(taken, [1, 4]);
    const { env } = timed.job;
    const options = { spans: 9, workers: 1, data: DATA, env, print: () => {}, show: () => {} };
    const { same, recomputed } = await verify({ run: join(folder, 'timed'), ...options });
    assert.deepEqual([same, recomputed.of], [true, 4]);
  });

  it('warns of options without effect', async () => {
    const { job } = await jobOf('unused', { momentum: '0.5', data: join(folder, 'nowhere') });
    const warnings: string[] = [];
    const onEvent = (event: RunEvent): void => {
      if (event.kind === 'notice' && event.level === 'warn') warnings.push(event.message);
    };
    await assert.rejects(train(job, { observers: [{ onEvent }] }), /nowhere/);
    assert.deepEqual(warnings, ['--momentum has no effect without --optimizer sgd.']);
  });

  it("doesn't begin from weights of another head, and names both", async () => {
    const { job } = await jobOf('rbf', { head: 'rbf', init: join(folder, 'whole') });
    await assert.rejects(train(job), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(
        error.message,
        /^--init: .*step-00000004\.safetensors has the head softmax, but this run has rbf: add --head softmax\./,
      );
      return true;
    });
    assert.equal(existsSync(join(folder, 'rbf')), false);
  });

  it('whose observer throws has saved what was trained', async () => {
    const { job } = await jobOf('throws', { iterations: 50 });
    const onStep = ({ step }: { readonly step: number }): void => {
      if (step === 10) throw new Error('of an observer');
    };
    await assert.rejects(train(job, { observers: [{ onStep }] }), /of an observer/);
    const { state, failure, attempts } = JSON.parse(readFileSync(join(folder, 'throws', 'run.json'), 'utf8'));
    assert.deepEqual([state, failure], ['failed', 'of an observer']);
    const saved = readdirSync(join(folder, 'throws', 'checkpoints')).map((name) => Number.parseInt(name.slice(5), 10));
    assert.ok(Math.max(...saved) >= 10, `${saved}`);
    assert.ok(attempts[0].steps >= 10);
  });
});

it('verify refuses to compute with no worker', () => {
  const { status, stderr } = lockstep(['verify', join(folder, 'whole'), '--workers', '0']);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /--workers: expected at least 1/);
});
