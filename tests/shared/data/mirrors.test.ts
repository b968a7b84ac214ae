import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { Readable } from 'node:stream';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Mirrors, mirrorsOf, NoMirrorError } from '#src/shared/data/mirrors.js';
import { UsageError } from '#src/shared/util/errors.js';
import { BYTES, FILES } from '../../support/made-set.ts';
import { deliver, handTimer, PACKED, refusing, serve } from '../../support/mirror.ts';

const [IMAGES, LABELS] = FILES;
const packed = PACKED.get(`/${IMAGES.name}.gz`) as Buffer;
const half = packed.subarray(0, packed.length / 2);
const altered = Buffer.from(BYTES[0]);
altered[20] = (altered[20] ?? 0) ^ 1;

const send =
  (body: Uint8Array, status = 200): RequestListener =>
  (_, response) =>
    response.writeHead(status).end(body);

function* endlessly(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(1 << 14);
}

const BAD: readonly (readonly [string, RequestListener, RegExp])[] = [
  ['has no such file', send(Buffer.from('no'), 404), /which answered 404 Not Found$/],
  ['fails', send(Buffer.alloc(0), 500), /which answered 500 Internal Server Error$/],
  [
    'fails with a page without end',
    (_, response) => {
      response.writeHead(503);
      Readable.from(endlessly()).pipe(response);
    },
    /which answered 503/,
  ],
  ['sends nothing', send(Buffer.alloc(0)), /sent other bytes/],
  ['sends a web page', send(Buffer.from('<!DOCTYPE html>')), /sent other bytes/],
  [
    'lies',
    send(gzipSync(altered)),
    new RegExp(`sent other bytes: expected the SHA-256 ${IMAGES.sha256} \\(unpacked\\), but they have [0-9a-f]{64}$`),
  ],
  ['truncates', send(half), /sent a file that doesn't unpack \(unexpected end of file\)/],
  [
    'breaks off',
    (_, response) => {
      response.writeHead(200, { 'content-length': packed.length });
      response.write(half, () => response.destroy());
    },
    /which failed: /,
  ],
  ['sends a bomb', send(gzipSync(Buffer.alloc(1 << 18))), /sent more than 46 bytes \(unpacked\)/],
  ['never stops', (_, response) => void Readable.from(endlessly()).pipe(response), /sent more than the \d+ bytes/],
  ['hangs up', (request) => void request.socket.destroy(), /which failed: /],
  [
    'redirects in a circle',
    ({ url }, response) => void response.writeHead(302, { location: url }).end(),
    /which failed: redirect count exceeded/,
  ],
];

/** Fetches the training images from the mirrors; the timer is one that the test fires. */
function fetchImages(addresses: readonly string[], options: ConstructorParameters<typeof Mirrors>[1] = {}) {
  const bytes = new Uint8Array(BYTES[0].length);
  const timer = handTimer();
  const fetched = new Mirrors(addresses, { startTimer: timer.startTimer, ...options }).fetch(IMAGES, bytes);
  return { bytes, timer, fetched };
}

describe('the next mirror is tried where one', () => {
  for (const [what, answer, failure] of BAD) {
    test(what, async (t) => {
      const [bad, good] = [await serve(t, answer), await serve(t, deliver)];
      const { bytes, fetched, timer } = fetchImages([bad.url, good.url]);
      const { mirror, failures, body } = await fetched;
      assert.equal(mirror, good.url);
      assert.ok(failures[0]?.startsWith(`${bad.url}, which `), failures[0]);
      assert.match(failures[0] ?? '', failure);
      assert.equal(failures.length, 1);
      assert.deepEqual([...bytes], [...BYTES[0]]);
      assert.ok(body.equals(packed));
      assert.equal(timer.pending.size, 0);
    });
  }

  test('refuses', async (t) => {
    const good = await serve(t, deliver);
    const { failures } = await fetchImages([await refusing(), good.url]).fetched;
    assert.match(failures[0] ?? '', /which failed: .*ECONNREFUSED/);
  });

  test('does not answer', async (t) => {
    const timer = handTimer();
    const silent = await serve(t, () => timer.fire());
    const good = await serve(t, deliver);
    const { failures } = await fetchImages([silent.url, good.url], timer).fetched;
    assert.deepEqual(failures, [`${silent.url}, which didn't answer within 3 s`]);
    assert.equal(timer.pending.size, 0);
  });

  test('stalls', async (t) => {
    const timer = handTimer();
    const stalling = await serve(t, (_, response) => {
      response.writeHead(200, { 'content-length': packed.length }).write(half);
    });
    const good = await serve(t, deliver);
    const { fetched } = fetchImages([stalling.url, good.url], {
      startTimer: timer.startTimer,
      onProgress: (_, received) => {
        if (received === half.length) timer.fire();
      },
    });
    const { failures } = await fetched;
    assert.deepEqual(failures, [`${stalling.url}, which stalled: nothing for 5 s after ${half.length} bytes`]);
    assert.equal(timer.pending.size, 0);
  });
});

test('where no mirror delivers, the error says what each did', async (t) => {
  const [lost, failing] = [await serve(t, send(Buffer.alloc(0), 404)), await serve(t, send(Buffer.alloc(0), 500))];
  await assert.rejects(fetchImages([lost.url, failing.url]).fetched, (error) => {
    assert.ok(error instanceof NoMirrorError);
    assert.deepEqual(error.failures, [
      `${lost.url}, which answered 404 Not Found`,
      `${failing.url}, which answered 500 Internal Server Error`,
    ]);
    assert.ok(error.message.includes(IMAGES.name));
    return true;
  });
});

describe('where no mirror delivers, the exit code says whether one may later: that', () => {
  const passing = ['fails', 'fails with a page without end', 'breaks off', 'hangs up'];

  async function assertExitCode(addresses: readonly string[], exitCode: number, timer = handTimer()): Promise<void> {
    await assert.rejects(fetchImages(addresses, timer).fetched, (error) => {
      assert.ok(error instanceof NoMirrorError);
      assert.equal(error.exitCode, exitCode, error.message);
      return true;
    });
  }

  for (const [what, answer] of BAD) {
    const exitCode = passing.includes(what) ? 75 : 2;
    test(`${what}: ${exitCode}`, async (t) => assertExitCode([(await serve(t, answer)).url], exitCode));
  }

  test('refuses, or is beside one that has no such file: 75', async (t) => {
    await assertExitCode([await refusing()], 75);
    const lost = await serve(t, send(Buffer.alloc(0), 404));
    await assertExitCode([lost.url, await refusing()], 75);
  });

  test('does not answer: 75', async (t) => {
    const timer = handTimer();
    await assertExitCode([(await serve(t, () => timer.fire())).url], 75, timer);
  });
});

test('a redirect is followed', async (t) => {
  const good = await serve(t, deliver);
  const moved = await serve(t, ({ url = '' }, response) => {
    response.writeHead(301, { location: new URL(url, good.url).href }).end();
  });
  const { bytes, fetched } = fetchImages([moved.url]);
  assert.equal((await fetched).mirror, moved.url);
  assert.deepEqual([...bytes], [...BYTES[0]]);
});

test('a file that the transfer has unpacked is taken as it is', async (t) => {
  const marking = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed);
  });
  const { body, packed: isPacked } = await fetchImages([marking.url]).fetched;
  assert.equal(isPacked, false);
  assert.ok(body.equals(BYTES[0]));
});

test('the next file starts with the mirror that worked', async (t) => {
  const [bad, good] = [await serve(t, send(Buffer.alloc(0), 500)), await serve(t, deliver)];
  const mirrors = new Mirrors([bad.url, good.url]);
  await mirrors.fetch(IMAGES, new Uint8Array(BYTES[0].length));
  const { failures } = await mirrors.fetch(LABELS, new Uint8Array(BYTES[1].length));
  assert.deepEqual(failures, []);
  assert.deepEqual(bad.requests, [`/${IMAGES.name}.gz`]);
});

test('progress ends with the whole file', async (t) => {
  const good = await serve(t, deliver);
  const seen: unknown[] = [];
  await fetchImages([good.url], { onProgress: (...progress) => seen.push(progress) }).fetched;
  assert.deepEqual(seen.at(-1), [IMAGES, packed.length, packed.length]);
});

describe('mirrorsOf', () => {
  test('gives public https addresses where the variable is not set', () => {
    for (const env of [{}, { LOCKSTEP_MNIST_MIRRORS: '' }, { LOCKSTEP_MNIST_MIRRORS: ' , ' }]) {
      const mirrors = mirrorsOf(env);
      assert.ok(mirrors.length >= 2);
      for (const mirror of mirrors) assert.match(mirror, /^https:\/\/.*\/$/);
    }
  });

  test('reads a list', () => {
    const mirrors = mirrorsOf({ LOCKSTEP_MNIST_MIRRORS: 'http://a:1/x, https://b/ ,' });
    assert.deepEqual(mirrors, ['http://a:1/x/', 'https://b/']);
  });

  test('refuses what is no address of a server', () => {
    for (const wrong of ['mirror', 'file:///tmp', 'https://a,ftp://b']) {
      assert.throws(
        () => mirrorsOf({ LOCKSTEP_MNIST_MIRRORS: wrong }),
        (error) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, /^LOCKSTEP_MNIST_MIRRORS/);
          return true;
        },
      );
    }
  });
});
