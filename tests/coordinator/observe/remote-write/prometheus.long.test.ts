import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { DATA, lockstep, manifestOf, startLockstep, stepsOf } from '../../../support/program.ts';
import { type Prometheus, skip, startPrometheus } from '../../../support/prometheus-server.ts';
import { EVALUATION_SAMPLES, STEP_SAMPLES } from '../../../support/step-record.ts';
import { assertHasSteps, linesOf, samplesIn } from '../../../support/step-samples.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-remote-write-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['train', '--batch', '8', '--evaluate-every', '1000', '--metrics-port', 'off', '--json', ...DATA];
const ENDLESS = [...FLAGS, '--iterations', '1000000'];
const STEPS = 10_000;
/** For all tests on a busy machine. */
const DEADLINE_MS = 480_000;

/** Asserts that Prometheus reads what `lockstep metrics --openmetrics` writes as the run's steps. */
async function assertExported(run: string, attempts: readonly number[]): Promise<void> {
  const [file, data] = [`${run}.om`, `${run}-blocks`];
  const { status, stdout, stderr } = lockstep(['metrics', run, '--openmetrics', '--out', file]);
  assert.deepEqual([status, stdout], [0, ''], stderr);
  const made = spawnSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', file, data], { encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  const server = await startPrometheus({ data });
  try {
    const name = String(manifestOf(run).name);
    for (const attempt of new Set(attempts)) {
      const lines = linesOf(run).filter((_, i) => attempts[i] === attempt);
      await assertHasSteps(server, { run: name, attempt, lines });
    }
  } finally {
    await server.stop();
  }
}

/** The step of a run's newest checkpoint; 0: it has none. */
function newestCheckpoint(run: string): number {
  const checkpoints = join(run, 'checkpoints');
  const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
  return Math.max(0, ...names.flatMap((name) => /^step-(\d+)\.safetensors$/.exec(name)?.slice(1).map(Number) ?? []));
}

describe('every single step reaches Prometheus', { skip, timeout: DEADLINE_MS }, () => {
  let server: Prometheus;
  before(async () => {
    server = await startPrometheus();
  });
  after(() => server.stop());

  it('of a run of 10,000 steps, with the values and times of steps.jsonl, also by OpenMetrics', async () => {
    const run = join(folder, 'whole');
    const flags = [...FLAGS, '--iterations', String(STEPS), '--out', run, '--remote-write', server.writeUrl];
    const { status, stdout, stderr } = lockstep(flags);
    assert.equal(status, 0, stderr);
    const lines = linesOf(run);
    assert.equal(lines.length, STEPS);
    // 10 evaluations, and the one at step 100.
    const samples = STEP_SAMPLES * STEPS + EVALUATION_SAMPLES * 11;
    assert.deepEqual(JSON.parse(stdout).remoteWrite, { sent: samples, dropped: 0 });
    assert.match(stderr, new RegExp(`^Remote write: ${samples.toLocaleString('en-US')} samples sent\\.$`, 'm'));
    const backward = lines.findIndex(({ timings }, i) => timings.at <= (lines[i - 1]?.timings.at ?? 0));
    assert.equal(backward, -1);
    await assertHasSteps(server, { run: 'whole', attempt: 1, lines });
    await assertExported(
      run,
      lines.map(() => 1),
    );
  });

  it('of a run that was killed and resumed, the second part as attempt 2', async () => {
    const run = join(folder, 'killed');
    const flags = ['--schedule', 'constant', '--checkpoint-every', '300', '--out', run];
    const first = startLockstep([...ENDLESS, ...flags, '--remote-write', server.writeUrl]);
    await first.said(/^step +1000/);
    first.signal('SIGKILL');
    await first.ended;
    // The directory of a run gives no URLs.
    const second = startLockstep(['train', '--resume', run, '--json', '--remote-write', server.writeUrl]);
    await second.said(/^step +\d+000\//);
    second.signal('SIGTERM');
    const { status, stderr } = await second.ended;
    assert.equal(status, 143, stderr);
    const { from } = (manifestOf(run).attempts as { from: number }[])[1] ?? assert.fail('it was not resumed');
    const lines = linesOf(run);
    assert.ok(from > 0 && lines.length > from);
    await assertHasSteps(server, { run: 'killed', attempt: 2, lines: lines.slice(from) });
    // Those that the kill kept from being sent were sent by the second process; those behind the checkpoint may have come before.
    const sent = await samplesIn(server, 'lockstep_train_loss{run="killed",attempt="1"}', Date.now());
    const kept = lines.slice(0, from).map(({ timings, loss }) => [timings.at, loss]);
    assert.deepEqual(sent.slice(0, from), kept);
    assert.ok((sent.at(-1)?.[0] ?? 0) < (lines[from]?.timings.at ?? 0), 'a time went back');
    await assertExported(
      run,
      lines.map((_, i) => (i < from ? 1 : 2)),
    );
  });

  it('of a run that was killed while it waited for an answer, whether the request came or not', async (t) => {
    for (const comes of [true, false]) {
      let wasHeld = false;
      const proxy = createHttpServer(async (request, response) => {
        const { 'content-type': type = '', 'content-encoding': encoding = '' } = request.headers;
        const headers = { 'content-type': type, 'content-encoding': encoding };
        const body = await buffer(request);
        const isHeld = !wasHeld && newestCheckpoint(run) > 500;
        wasHeld ||= isHeld;
        if (isHeld) first.signal('SIGKILL');
        if (isHeld && !comes) return;
        const answer = await fetch(server.writeUrl, { method: 'POST', headers, body });
        const text = await answer.text();
        if (!isHeld) response.writeHead(answer.status).end(text);
      }).listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      t.after(() => proxy.close());
      const name = comes ? 'answered-in-vain' : 'unheard';
      const run = join(folder, name);
      const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`;
      const flags = ['--schedule', 'constant', '--checkpoint-every', '50', '--out', run, '--remote-write', url];
      const first = startLockstep([...ENDLESS, ...flags]);
      await first.ended;
      const second = startLockstep(['train', '--resume', run, '--json', '--remote-write', url]);
      await second.said(/^step +\d+000\//);
      second.signal('SIGTERM');
      const { status, stdout, stderr } = await second.ended;
      assert.equal(status, 143, stderr);
      assert.equal(JSON.parse(stdout).remoteWrite.dropped, 0, stderr);
      const { from } = (manifestOf(run).attempts as { from: number }[])[1] ?? assert.fail('it was not resumed');
      const lines = linesOf(run);
      const sent = await samplesIn(server, `lockstep_train_loss{run="${name}",attempt="1"}`, Date.now());
      const kept = lines.slice(0, from).map(({ timings, loss }) => [timings.at, loss]);
      assert.ok(from > 500);
      assert.deepEqual(sent.slice(0, from), kept);
      await assertHasSteps(server, { run: name, attempt: 2, lines: lines.slice(from) });
    }
  });

  it('where answers are lost on the way', async (t) => {
    let requests = 0;
    const proxy = createHttpServer(async (request, response) => {
      const { 'content-type': type = '', 'content-encoding': encoding = '' } = request.headers;
      const headers = { 'content-type': type, 'content-encoding': encoding };
      const answer = await fetch(server.writeUrl, { method: 'POST', headers, body: await buffer(request) });
      const text = await answer.text();
      // Prometheus has the samples; whoever sent them can't know.
      if (++requests % 3 === 1) response.socket?.destroy();
      else response.writeHead(answer.status).end(text);
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    t.after(() => proxy.close());
    const run = join(folder, 'lossy');
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`;
    const program = startLockstep([...FLAGS, '--iterations', '2000', '--out', run, '--remote-write', url]);
    const { status, stdout, stderr } = await program.ended;
    assert.equal(status, 0, stderr);
    assert.ok(requests >= 6);
    assert.equal(JSON.parse(stdout).remoteWrite.dropped, 0, stderr);
    await assertHasSteps(server, { run: 'lossy', attempt: 1, lines: linesOf(run) });
  });

  it('where it was down when the run began', async (t) => {
    // Holds the port, so that nobody else takes it.
    const down = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(down, 'listening');
    const { port } = down.address() as AddressInfo;
    const run = join(folder, 'down');
    const url = `http://127.0.0.1:${port}/api/v1/write`;
    const program = startLockstep([...ENDLESS, '--out', run, '--remote-write', url]);
    await program.said(/^Remote write to http.*it can't be reached/);
    down.close();
    const late = await startPrometheus({ port });
    t.after(() => late.stop());
    await program.said(/^Remote write to http.*it takes samples again/);
    program.signal('SIGTERM');
    const { status, stdout, stderr } = await program.ended;
    assert.equal(status, 143, stderr);
    assert.equal(JSON.parse(stdout).remoteWrite.dropped, 0, stderr);
    await assertHasSteps(late, { run: 'down', attempt: 1, lines: linesOf(run) });
  });

  it('except those that it refuses: the run says so, and has its bits', () => {
    const run = join(folder, 'refused');
    const flags = [...FLAGS, '--iterations', '300', '--out', run];
    const url = `${server.url}/api/v1/no-such-path`;
    const { status, stdout, stderr } = lockstep([...flags, '--remote-write', url]);
    assert.equal(status, 0, stderr);
    const { remoteWrite, weightsSha256 } = JSON.parse(stdout);
    const samples = STEP_SAMPLES * 300 + EVALUATION_SAMPLES * 2;
    assert.deepEqual(remoteWrite, { sent: 0, dropped: samples });
    assert.match(stderr, /^Remote write to \S+no-such-path: it rejects samples with 40\d .*DROPPED/m);
    const lost = `${samples.toLocaleString('en-US')} DROPPED`;
    assert.match(stderr, new RegExp(`^Remote write: 0 samples sent, ${lost}`, 'm'));
    const undisturbed = join(folder, 'undisturbed');
    const usual = lockstep([...FLAGS, '--iterations', '300', '--out', undisturbed]);
    assert.equal(JSON.parse(usual.stdout).weightsSha256, weightsSha256);
    assert.deepEqual(stepsOf(run), stepsOf(undisturbed));
  });
});
