import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { uncompress } from 'snappyjs';
import { retryAfterMs } from '#src/coordinator/observe/remote-write/answers.js';
import { registerRemoteWriteFamilies } from '#src/coordinator/observe/remote-write/metrics.js';
import { RemoteWriter, type RemoteWriterOptions } from '#src/coordinator/observe/remote-write/remote-writer.js';
import { Batch } from '#src/coordinator/observe/remote-write/step-queue.js';
import { encodeBatch } from '#src/coordinator/observe/remote-write/write-request.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { Token } from '#src/shared/util/token.js';
import { decoded, type Receiver, range, startReceiver } from '../../../support/receiver.ts';
import { SAMPLES, STEP_SAMPLES, stepRecord } from '../../../support/step-record.ts';

const START = 1_764_000_000_000;
const labels = { run: 'first "run" é', attempt: 2 };
const RUNNING = new AbortController().signal;

function record(step: number, rest: Partial<StepRecord> = {}): StepRecord {
  const timings = { at: START + 3 * step, total: 0.005 };
  return stepRecord(step, { loss: 1 / step, timings, ...rest });
}

function add(writer: RemoteWriter, from: number, to: number): void {
  for (let step = from; step <= to; step++) writer.onStep(record(step));
}

/** A writer with quick retries, and what it said. */
function writerTo(url: string, options: Partial<RemoteWriterOptions> = {}) {
  const notices: string[] = [];
  const writer = new RemoteWriter({
    url,
    ...labels,
    userAgent: 'lockstep/test',
    onNotice: (notice) => notices.push(notice),
    timing: { attempt: 30_000, retry: 1, maxRetry: 4 },
    ...options,
  });
  return { writer, notices };
}

/** Sends so many steps to a receiver, to the end. */
async function sendTo(receiver: Receiver, steps: number, options: Partial<RemoteWriterOptions> = {}) {
  const { writer, notices } = writerTo(receiver.url, options);
  add(writer, 1, steps);
  return { ...(await writer.finish(RUNNING)), notices };
}

function stepsTaken({ received }: Receiver, numbers: readonly number[]): number[] {
  return numbers.flatMap((number) => [...(received[number - 1]?.steps ?? [])]);
}

describe('a request', () => {
  it('is a WriteRequest in snappy block format', () => {
    const batch = new Batch({ attempt: 1, mayBeDelivered: false });
    batch.add(record(1));
    batch.add(record(2, { testAccuracy: 0.75, testLoss: Number.POSITIVE_INFINITY }));
    const bytes = encodeBatch(batch, { run: 'r' });
    const field = (id: number, ...parts: (string | readonly number[])[]): number[] => {
      const body = parts.flatMap((part) => [...(typeof part === 'string' ? Buffer.from(part) : part)]);
      return [(id << 3) | 2, body.length, ...body];
    };
    const label = (name: string, value: string): number[] => field(1, field(1, name), field(2, value));
    // Field 1, a double of 1, and field 2, the timestamp as a varint.
    const sample = field(2, [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f], [0x10, 0x83, 0xd0, 0xdf, 0xb4, 0xab, 0x33]);
    const series = [...label('__name__', 'lockstep_step'), ...label('attempt', '1'), ...label('run', 'r'), ...sample];
    assert.deepEqual([...uncompress(bytes).subarray(2, 2 + series.length)], series);
    const found = decoded(bytes).series;
    assert.deepEqual(found.get('lockstep_train_loss{attempt="1",run="r"}'), [
      [START + 3, 1],
      [START + 6, 0.5],
    ]);
    assert.deepEqual(found.get('lockstep_test_accuracy_ratio{attempt="1",run="r"}'), [[START + 6, 0.75]]);
    const other = decoded(encodeBatch(batch, { run: 'r', id: 'b7' })).series;
    assert.ok(other.has('lockstep_train_loss{attempt="1",id="b7",run="r"}'), 'runs of one name share a series');
    // As steps.jsonl has it.
    assert.deepEqual(found.get('lockstep_test_loss{attempt="1",run="r"}'), [[START + 6, Number.NaN]]);
  });

  it('has the headers of remote write 1.0, and the labels of the run', async (t) => {
    const receiver = await startReceiver(t, (_, response) => response.writeHead(204).end());
    const token = new Token('s3cret');
    assert.deepEqual(await sendTo(receiver, 1, { token }), { sent: STEP_SAMPLES, dropped: 0, notices: [] });
    const [{ request, series } = assert.fail('nothing came')] = receiver.received;
    const { headers } = request;
    assert.deepEqual(
      [request.method, request.url, headers['content-type'], headers['content-encoding']],
      ['POST', '/api/v1/write', 'application/x-protobuf', 'snappy'],
    );
    assert.deepEqual(
      [headers['x-prometheus-remote-write-version'], headers['user-agent'], headers.authorization],
      ['0.1.0', 'lockstep/test', 'Bearer s3cret'],
    );
    assert.ok(series.has('lockstep_last_step_duration_seconds{attempt="2",run="first "run" é"}'));
  });
});

describe('steps are sent', () => {
  it('in batches, in order, one request at a time, each once', async (t) => {
    const receiver = await startReceiver(t, (_, response) => setImmediate(() => response.writeHead(204).end()));
    const { sent, dropped, notices } = await sendTo(receiver, 1234);
    assert.deepEqual([sent, dropped, notices], [1234 * STEP_SAMPLES, 0, []]);
    assert.deepEqual(
      receiver.received.map(({ steps }) => steps.length),
      [500, 500, 234],
    );
    assert.deepEqual(stepsTaken(receiver, [1, 2, 3]), range(1, 1234));
    assert.equal(receiver.atOnce, 1);
  });

  it('of a millisecond that several share once for each series, also across batches and after a crash', async (t) => {
    const receiver = await startReceiver(t, (_, response) => response.writeHead(204).end());
    const { writer, notices } = writerTo(receiver.url);
    // Three steps a millisecond; each tenth is evaluated.
    const shared = (step: number): StepRecord => {
      const timings = { at: START + Math.floor(step / 3), total: 0.0003 };
      return record(step, { timings, ...(step % 10 === 0 && { testAccuracy: 0.5 }) });
    };
    async function* log() {
      for (let step = 1; step <= 600; step++) yield shared(step);
    }
    await writer.replay(log(), { attempt: 2, answered: 99, asked: 99 }, () => 2);
    for (let step = 601; step <= 1200; step++) writer.onStep(shared(step));
    await writer.finish(RUNNING);
    const times = (name: string) =>
      receiver.received.flatMap(({ series }) =>
        (series.get(`${name}{attempt="2",run="first "run" é"}`) ?? []).map(([at]) => at - START),
      );
    // Step 99 was sent before, in the millisecond of steps 100 and 101.
    assert.deepEqual(times('lockstep_train_loss'), range(34, 400));
    assert.deepEqual(
      times('lockstep_test_accuracy_ratio'),
      range(11, 120).map((tenth) => Math.floor((10 * tenth) / 3)),
    );
    assert.deepEqual(notices.filter((notice) => /less than a millisecond/.test(notice)).length, 1);
  });

  it('within about a second, also where they are few', async (t) => {
    const came = new Promise<void>((resolve) => {
      startReceiver(t, (_, response) => {
        response.writeHead(204).end();
        resolve();
      }).then(({ url }) => add(writerTo(url).writer, 1, 3));
    });
    // Nothing else keeps the process alive.
    const alive = setInterval(() => {}, 1000);
    await came;
    clearInterval(alive);
  });

  it('again after 5xx, 429 and a cut connection, and the trouble is told once', async (t) => {
    const receiver = await startReceiver(t, (number, response) => {
      if (number === 1) response.writeHead(503).end('busy\u001b[31m');
      else if (number === 2) response.writeHead(429, { 'Retry-After': '0' }).end();
      else if (number === 3) response.socket?.destroy();
      else response.writeHead(204).end();
    });
    const { sent, dropped, notices } = await sendTo(receiver, 600);
    assert.deepEqual([sent, dropped], [600 * STEP_SAMPLES, 0]);
    assert.deepEqual(stepsTaken(receiver, [4, 5]), range(1, 600));
    assert.equal(receiver.atOnce, 1);
    assert.equal(notices.length, 2);
    assert.match(notices[0] ?? '', /write: it answers 503 \(busy\?\[31m\)\. Samples are kept and sent again\.$/);
    assert.match(notices[1] ?? '', /takes samples again/);
  });

  it('again after an attempt without an answer', async (t) => {
    const receiver = await startReceiver(t, (number, response) => {
      if (number > 1) response.writeHead(204).end();
    });
    const { sent, notices } = await sendTo(receiver, 3, { timing: { attempt: 50, retry: 1, maxRetry: 4 } });
    assert.equal(sent, 3 * STEP_SAMPLES);
    assert.match(notices[0] ?? '', /it can't be reached \(no answer within 0\.05 s\)/);
  });

  it('at once where the run ends during a long wait', async (t) => {
    let failed = (): void => {};
    const failure = new Promise<void>((resolve) => {
      failed = resolve;
    });
    const receiver = await startReceiver(t, (number, response) => {
      if (number === 1) response.writeHead(503, { 'Retry-After': '3600' }).end();
      else response.writeHead(204).end();
    });
    const timing = { attempt: 30_000, retry: 1e6, maxRetry: 1e6 };
    const { writer } = writerTo(receiver.url, { timing, onNotice: () => failed() });
    add(writer, 1, 500);
    await failure;
    assert.deepEqual(await writer.finish(RUNNING), { sent: 500 * STEP_SAMPLES, dropped: 0 });
  });

  it('once, where the answer was lost and the receiver has them already', async (t) => {
    const receiver = await startReceiver(t, (number, response) => {
      if (number === 1) response.socket?.destroy();
      else if (number === 2) response.writeHead(400).end('out of order sample\n');
      else response.writeHead(204).end();
    });
    const { sent, dropped } = await sendTo(receiver, 700);
    assert.deepEqual([sent, dropped], [700 * STEP_SAMPLES, 0]);
    assert.deepEqual(stepsTaken(receiver, [2, 3]), range(1, 700));
  });
});

describe('samples are dropped', () => {
  it('where the receiver refuses them, which is told once with its words; others are sent', async (t) => {
    const receiver = await startReceiver(t, (number, response) => {
      if (number === 2) response.writeHead(204).end();
      else response.writeHead(400).end(`no ${'x'.repeat(100_000)}`);
    });
    const { sent, dropped, notices } = await sendTo(receiver, 1200);
    assert.deepEqual([sent, dropped], [500 * STEP_SAMPLES, 700 * STEP_SAMPLES]);
    assert.equal(receiver.received.length, 3);
    assert.equal(notices.length, 1);
    assert.match(notices[0] ?? '', /it rejects samples with 400 \(no x{297}…\)\. Those samples are DROPPED/);
  });

  it('where an out-of-order answer is the first one', async (t) => {
    const receiver = await startReceiver(t, (_, response) => response.writeHead(400).end('out of order sample'));
    assert.equal((await sendTo(receiver, 1)).dropped, STEP_SAMPLES);
  });

  it('behind a redirect, which is not followed', async (t) => {
    const target = await startReceiver(t, (_, response) => response.writeHead(204).end());
    const receiver = await startReceiver(t, (_, response) => response.writeHead(307, { Location: target.url }).end());
    const { dropped, notices } = await sendTo(receiver, 2, { token: new Token('s3cret') });
    assert.deepEqual([dropped, target.received.length], [2 * STEP_SAMPLES, 0]);
    assert.match(notices[0] ?? '', /307, a redirect, which is not followed: give the URL that it leads to/);
  });

  it('the oldest first where more wait than memory may hold', async (t) => {
    let release = (): void => {};
    const receiver = await startReceiver(t, (number, response) => {
      if (number === 1) release = () => response.writeHead(204).end();
      else response.writeHead(204).end();
      if (number === 1) fill();
    });
    // Two batches of 500 steps, each with a time and its samples as float64.
    const { writer, notices } = writerTo(receiver.url, {
      queueBytes: 2 * 500 * (1 + SAMPLES) * 8,
    });
    let filled = (): void => {};
    const isFilled = new Promise<void>((resolve) => {
      filled = resolve;
    });
    // While the first 500 steps are under way.
    function fill(): void {
      add(writer, 501, 2600);
      filled();
    }
    add(writer, 1, 500);
    await isFilled;
    assert.deepEqual([writer.pending, writer.dropped], [1100 * STEP_SAMPLES, 1500 * STEP_SAMPLES]);
    release();
    assert.deepEqual(await writer.finish(RUNNING), { sent: 1100 * STEP_SAMPLES, dropped: 1500 * STEP_SAMPLES });
    assert.deepEqual(stepsTaken(receiver, [1, 2, 3]), [...range(1, 500), ...range(2001, 2600)]);
    assert.deepEqual(notices, [
      'Remote write: too many samples wait for the receiver; the oldest are DROPPED from now on.',
    ]);
  });

  it('after a stop, where the receiver hangs', async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    t.after(() => server.close());
    const sockets: { destroy(): void }[] = [];
    server.on('connection', (socket) => sockets.push(socket));
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { writer } = writerTo(`http://127.0.0.1:${port}/`);
    add(writer, 1, 1200);
    assert.deepEqual(await writer.finish(AbortSignal.abort()), { sent: 0, dropped: 1200 * STEP_SAMPLES });
    writer.onStep(record(1201));
    assert.equal(writer.pending, 0);
    for (const socket of sockets) socket.destroy();
  });
});

it("a receiver's words never show the token", async (t) => {
  const receiver = await startReceiver(t, (_, response, { request }) =>
    response.writeHead(401).end(`bad: ${request.headers.authorization}`),
  );
  const { notices } = await sendTo(receiver, 1, { token: new Token('s3cret') });
  assert.match(notices[0] ?? '', /401 \(bad: Bearer \[token\]\)/);
  assert.doesNotMatch(notices.join(), /s3cret/);
});

it('what became of the samples is on /metrics', async () => {
  const registry = new Registry();
  const counts = { sent: 12, dropped: 0, pending: 6 };
  registerRemoteWriteFamilies(registry, counts);
  counts.dropped = 3;
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(lines, [
    'lockstep_remote_write_samples_total{outcome="sent"} 12',
    'lockstep_remote_write_samples_total{outcome="dropped"} 3',
    'lockstep_remote_write_pending_samples 6',
  ]);
});

it('Retry-After is read as seconds or a date, and bounded', () => {
  const now = Date.parse('2026-05-04T10:00:00Z');
  const cases: readonly (readonly [string | null, number])[] = [
    [null, 0],
    ['', 0],
    ['soon', 0],
    ['7', 7000],
    ['86400', 60_000],
    ['Mon, 04 May 2026 10:00:05 GMT', 5000],
    ['Mon, 04 May 2026 09:00:00 GMT', 0],
  ];
  for (const [header, expected] of cases) assert.equal(retryAfterMs(header, now), expected, String(header));
});
