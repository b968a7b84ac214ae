import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { DATA, lockstep, startLockstep, stepsOf } from '../../../support/program.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { EVALUATION_SAMPLES, STEP_SAMPLES } from '../../../support/step-record.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-remote-write-run-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['train', '--batch', '8', '--iterations', '300', '--json', ...DATA];
const QUIET = ['--metrics-port', 'off'];
const SAMPLES = STEP_SAMPLES * 300 + EVALUATION_SAMPLES * 2;
const TOKEN = 'a-secret/that+nobody=sees';

const undisturbed = join(folder, 'undisturbed');
const usual = JSON.parse(lockstep([...FLAGS, ...QUIET, '--out', undisturbed]).stdout);

/** A server that takes connections and never answers. */
async function hangingServer(t: TestContext): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`;
}

/** All that a run has written. */
function textsIn(run: string): string[] {
  const files = readdirSync(run, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'latin1'));
}

describe('a run', () => {
  it('whose receiver hangs ends as usual, and says what it dropped', async (t) => {
    const run = join(folder, 'hanging');
    const url = await hangingServer(t);
    const { status, stdout, stderr } = await startLockstep([...FLAGS, ...QUIET, '--out', run, '--remote-write', url])
      .ended;
    assert.equal(status, 0, stderr);
    const { remoteWrite, weightsSha256, chain } = JSON.parse(stdout);
    assert.deepEqual(remoteWrite, { sent: 0, dropped: SAMPLES });
    assert.deepEqual([weightsSha256, chain], [usual.weightsSha256, usual.chain]);
    assert.deepEqual(stepsOf(run), stepsOf(undisturbed));
    const lost = `${SAMPLES.toLocaleString('en-US')} DROPPED`;
    assert.match(
      stderr,
      new RegExp(`^Remote write: 0 samples sent, ${lost}: steps\\.jsonl has those of its steps`, 'm'),
    );
    assert.deepEqual(JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')).result.remoteWrite, remoteWrite);
  });

  it('that is stopped by a signal does not wait for a receiver that hangs', async (t) => {
    const run = join(folder, 'stopped');
    const flags = [...FLAGS, ...QUIET, '--iterations', '1000000', '--out', run];
    const program = startLockstep([...flags, '--remote-write', await hangingServer(t)]);
    await program.said(/^step +100/);
    program.signal('SIGTERM');
    const { status, stdout, stderr } = await program.ended;
    assert.equal(status, 143, stderr);
    const { steps, remoteWrite } = JSON.parse(stdout);
    assert.equal(remoteWrite.sent, 0);
    assert.ok(remoteWrite.dropped >= STEP_SAMPLES * steps);
  });

  it('that fails sends its last steps too', async (t) => {
    const receiver = await startReceiver(t, (_, response) => response.writeHead(204).end());
    const run = join(folder, 'diverged');
    const rate = ['--optimizer', 'sgd', '--learning-rate', '100000', '--warmup', '20'];
    const { status, stderr } = await startLockstep([
      ...[...FLAGS, ...QUIET, ...rate, '--out', run],
      ...['--remote-write', receiver.url],
    ]).ended;
    assert.equal(status, 3);
    assert.match(stderr, /expected a finite loss/);
    assert.deepEqual(
      receiver.received.flatMap(({ steps }) => steps),
      stepsOf(run).map(({ step }) => step),
    );
  });

  it('proves itself by its token, which is in none of its files and lines, and counts on /metrics', async (t) => {
    const receiver = await startReceiver(t, (number, response, { request }) => {
      const isFirst = number === 1;
      response.writeHead(isFirst ? 503 : 401).end(`said ${request.headers.authorization}`);
    });
    const run = join(folder, 'secret');
    const file = join(folder, 'token');
    writeFileSync(file, `${TOKEN}\n`);
    const program = startLockstep([
      ...[...FLAGS, '--iterations', '1000000', '--metrics-port', '0', '--out', run],
      ...['--remote-write', `${receiver.url}?key=hidden`, '--remote-write-token-file', file],
    ]);
    const metrics = (await program.said(/^Metrics: /)).slice('Metrics: '.length);
    await program.said(/DROPPED/);
    const text = await (await fetch(metrics)).text();
    assert.match(text, /^lockstep_remote_write_samples_total\{.*outcome="dropped".*\} [1-9]/m);
    assert.match(text, /^lockstep_remote_write_pending_samples\S* \d+$/m);
    program.signal('SIGTERM');
    const { status, stdout, stderr } = await program.ended;
    assert.equal(status, 143, stderr);
    assert.equal(receiver.received[0]?.request.headers.authorization, `Bearer ${TOKEN}`);
    assert.match(stderr, /it answers 503 \(said Bearer \[token\]\)/);
    assert.match(stderr, /it rejects samples with 401 \(said Bearer \[token\]\)/);
    assert.doesNotMatch(stderr, /key=hidden/);
    for (const written of [stdout, stderr, text, ...textsIn(run)]) assert.ok(!written.includes(TOKEN));
  });
});
