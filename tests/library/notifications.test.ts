import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import type { Notification, Notifier } from '#src/coordinator/observe/notify/notifier.js';
import type { TrainOutcome } from '#src/library/conclusion.js';
import { resolveJob } from '#src/library/inputs.js';
import { RunNotifications } from '#src/library/notifications.js';
import { train } from '#src/library/train.js';
import { NotFiniteError, UsageError } from '#src/shared/util/errors.js';
import { madeFile } from '../support/made-images.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-notifications-'));
after(() => rmSync(folder, { recursive: true }));

const MINUTE = 60_000;

/** Notifications of a run at step 4, with a clock that only the test moves. */
function begun(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const sent: Notification[] = [];
  let time = 0;
  const notifier = { send: (each: Notification) => sent.push(each), finish: async () => {} } as unknown as Notifier;
  const made = new RunNotifications({ notifier, iterations: 2000, now: () => time });
  made.onOpen('first');
  made.onStart({ run: '/runs/first', from: 4 });
  const pass = (milliseconds: number): void => {
    time += milliseconds;
    t.mock.timers.tick(milliseconds);
  };
  const step = (number: number, total = 0.01): void => made.onStep({ step: number, timings: { total, at: 1 } });
  const events = (): string[] => sent.map(({ event }) => event);
  return { made, sent, pass, step, events };
}

describe('a run that stalls', () => {
  it('is told of once it did no step for five minutes, and again when it goes on', (t) => {
    const { sent, pass, step, events } = begun(t);
    pass(4 * MINUTE);
    step(5);
    pass(4 * MINUTE);
    assert.deepEqual(events(), []);
    pass(2 * MINUTE);
    pass(20 * MINUTE);
    assert.deepEqual(events(), ['stalled']);
    assert.match(sent[0]?.text ?? '', /^Lockstep: the run first on \S+ has STALLED at step 5: no step for [\d,]+ s\.$/);
    step(6);
    step(7);
    assert.deepEqual(events(), ['stalled', 'going-on']);
    pass(6 * MINUTE);
    assert.deepEqual(events(), ['stalled', 'going-on', 'stalled']);
  });

  it('before its first step, such as without nodes, is told of too', (t) => {
    const { pass, events } = begun(t);
    pass(6 * MINUTE);
    assert.deepEqual(events(), ['stalled']);
  });

  it("isn't one whose steps take that long, nor one that is over", (t) => {
    const { made, pass, step, events } = begun(t);
    step(5, 120);
    pass(19 * MINUTE);
    assert.deepEqual(events(), []);
    made.onResult();
    pass(100 * MINUTE);
    assert.deepEqual(events(), []);
  });
});

it('a disk that fails for a minute is told of once, and when it works again', (t) => {
  const { made, sent, pass, events } = begun(t);
  const fails = (): void => made.onEvent({ kind: 'disk', failure: 'ENOSPC: no space left' });
  const works = (): void => made.onEvent({ kind: 'disk', failure: undefined });
  fails();
  pass(MINUTE - 1);
  fails();
  works();
  assert.deepEqual(events(), []);
  fails();
  pass(MINUTE);
  for (let i = 0; i < 3; i++) fails();
  works();
  assert.deepEqual(events(), ['disk-failing', 'disk-writable']);
  assert.match(sent[0]?.error?.message ?? '', /no space/);
});

describe('the end of a run', () => {
  const result = { run: '/runs/first', steps: 1500, testedAt: 1500, testAccuracy: 0.9876, testLoss: 0.05 };
  const outcome = (state: TrainOutcome['state']) => ({ state, result }) as unknown as TrainOutcome;

  it('has the summary, and what stopped it', (t) => {
    const { made, sent } = begun(t);
    made.signal('SIGUSR1');
    made.signal('SIGTERM');
    made.ended(outcome('stopped'));
    assert.deepEqual(
      sent.map(({ event, signal, step }) => [event, signal, step]),
      [
        ['signal', 'SIGUSR1', 4],
        ['signal', 'SIGTERM', 4],
        ['stopped', 'SIGTERM', 1500],
      ],
    );
    assert.match(sent[2]?.text ?? '', / stopped by SIGTERM after 1,500 of 2,000 steps, test accuracy 98\.76 %, /);
    assert.deepEqual(sent[2]?.result, result);
    assert.equal(sent[2]?.directory, '/runs/first');
  });

  it('by --max-time has no signal of its own', (t) => {
    const { made, sent } = begun(t);
    made.signal('--max-time');
    made.ended(outcome('stopped'));
    assert.deepEqual(
      sent.map(({ event }) => event),
      ['stopped'],
    );
    assert.match(sent[0]?.text ?? '', / stopped by --max-time after /);
  });

  it('by a failure is told of once, with the exit code', (t) => {
    const { made, sent } = begun(t);
    made.failed(new NotFiniteError('Expected a finite loss.', { step: 5 }));
    made.failed(new Error('what followed'));
    assert.equal(sent.length, 1);
    assert.deepEqual(sent[0]?.error, { code: 'ERR_NOT_FINITE', message: 'Expected a finite loss.', exitCode: 3 });
    assert.match(sent[0]?.text ?? '', / FAILED at step 4: Expected a finite loss\.$/);
  });

  it('is told of whatever failed, even before there is a run', async () => {
    const told = join(folder, 'told');
    const env = { PATH: process.env.PATH, HOME: process.env.HOME };
    const data = madeFile(folder, 512, 64);
    const common = { batch: 16, workers: 1, metricsPort: 'off', iterations: 2, notify: `cat >> ${told}` };
    const out = join(folder, 'run');
    await train(await resolveJob({ flags: { ...common, data, out }, env }));
    const missing = await resolveJob({ flags: { ...common, data: join(folder, 'nowhere') }, env });
    await assert.rejects(train(missing));
    const lines = readFileSync(told, 'utf8').trimEnd().split('\n');
    const [finished, failed] = lines.map((line) => JSON.parse(line) as Notification);
    assert.deepEqual([finished?.event, finished?.result?.steps, finished?.directory], ['finished', 2, out]);
    assert.deepEqual([failed?.event, failed?.run, failed?.error?.exitCode], ['failed', undefined, 2]);
    assert.doesNotMatch(readFileSync(join(out, 'run.json'), 'utf8'), /told/);
  });

  it("isn't reached if the option can't be used", async () => {
    const job = await resolveJob({ flags: { notify: 'ftp://x' }, env: {} });
    await assert.rejects(train(job), UsageError);
  });
});
