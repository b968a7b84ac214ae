// Each way in which a node can fail: what it says, whether it tries again, and its exit code.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { numericsByName } from '#src/shared/engine/numerics/numerics.js';
import { selfTest } from '#src/shared/engine/self-test.js';
import { listenForWebSockets } from '#src/shared/wire/ws-server.js';
import { bareHub } from '../support/bare-hub.ts';
import { bareWorker } from '../support/bare-worker.ts';
import { CERTIFICATE, EXPIRED_CERTIFICATE, OTHER_NAME_CERTIFICATE, PRIVATE_KEY } from '../support/certificate.ts';
import { lockstep, type Program } from '../support/program.ts';
import { servedSet } from '../support/served-set.ts';
import { takenPort } from '../support/taken-port.ts';

const HANG = { timeout: 120_000 };
const folder = mkdtempSync(join(tmpdir(), 'lockstep-node-failures-'));
after(() => rmSync(folder, { recursive: true }));

/** @returns the path of a new file */
function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function worker(t: TestContext, url: string, ...flags: readonly string[]): Program {
  return bareWorker(t, folder, url, flags);
}

/** It ends by itself, and says so in one line of this kind, which blames nobody else. */
async function assertEnds({ ended }: Program, status: number, line: RegExp): Promise<void> {
  const { status: actual, stderr } = await ended;
  assert.equal(actual, status, stderr);
  const last = stderr.trimEnd().split('\n').at(-1) ?? '';
  assert.match(last, line);
  assert.doesNotMatch(stderr, /\n\s+at |Unexpected failure/);
}

/** It tries again after a line of this kind, and leaves if it is asked to. */
async function assertRetries(node: Program, line: RegExp): Promise<void> {
  await node.said(line);
  node.signal('SIGTERM');
  const { status, stderr } = await node.ended;
  assert.equal(status, 143, stderr);
}

describe('what the command line gives is checked before any connection', () => {
  const certificate = file('certificate.pem', CERTIFICATE);
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'a CA file that is a key',
      ['--tls-ca', file('key.pem', PRIVATE_KEY)],
      /^--tls-ca: .*key\.pem holds no certificate: expected .*BEGIN CERTIFICATE/,
    ],
    ['a CA file that is empty', ['--tls-ca', file('empty.pem', '')], /^--tls-ca: .*empty\.pem holds no certificate/],
    [
      'a CA that is damaged',
      ['--tls-ca', file('bad.pem', CERTIFICATE.replace('MIIB', 'AAAA'))],
      /^--tls-ca: .*bad\.pem holds a certificate that is damaged \(number 1 of 1\)/,
    ],
    ['a CA for ws://', ['--tls-ca', certificate, '--connect', 'ws://127.0.0.1:1'], /^--tls-ca: .*expected wss:\/\//],
    [
      'a folder of data that is not there',
      ['--data', join(folder, 'none')],
      /^What is given by --data, .*none, doesn't exist\. Correct the path/,
    ],
    ['a fragment in the URL', ['--connect', 'wss://127.0.0.1:1/#token'], /^--connect: a URL must not contain a token/],
    ['the port 0', ['--connect', 'wss://127.0.0.1:0'], /^--connect wss:\/\/127\.0\.0\.1:0: expected the port/],
  ];
  for (const [name, flags, message] of cases) {
    it(name, () => {
      const { status, stderr } = lockstep(['worker', '--connect', 'wss://127.0.0.1:1', ...flags]);
      assert.match(stderr, message);
      assert.deepEqual([status, stderr.trimEnd().split('\n').length], [2, 1], stderr);
    });
  }
});

/** The port of a server that ends with the test. */
async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

describe('an address or a certificate that is wrong ends a node that has never been welcome', () => {
  const tls = (cert: string) => ({ cert: Buffer.from(cert), key: Buffer.from(PRIVATE_KEY) });
  const [own, expired, other] = [CERTIFICATE, EXPIRED_CERTIFICATE, OTHER_NAME_CERTIFICATE].map((pem, i) =>
    file(`ca-${i}.pem`, pem),
  ) as [string, string, string];
  const cases: readonly (readonly [string, string, readonly string[], RegExp])[] = [
    ['ws:// against TLS', CERTIFICATE, [], /^--connect ws:\S+: it speaks TLS: connect to wss:\/\/127\.0\.0\.1:\d+\.$/],
    [
      'a certificate that signs itself, without --tls-ca',
      CERTIFICATE,
      ['wss'],
      /signed by nobody whom this system trusts: give its authority by --tls-ca FILE\.$/,
    ],
    [
      'a certificate that --tls-ca did not sign',
      CERTIFICATE,
      ['wss', other],
      /its certificate is not signed by those of --tls-ca/,
    ],
    [
      'a certificate of another name',
      OTHER_NAME_CERTIFICATE,
      ['wss', other],
      /its certificate is for DNS:trainer\.example, and not for 127\.0\.0\.1/,
    ],
    [
      'a certificate that has expired',
      EXPIRED_CERTIFICATE,
      ['wss', expired],
      /its certificate has expired \(this machine's clock says \d{4}-/,
    ],
  ];
  for (const [name, certificate, [scheme = 'ws', ca], message] of cases) {
    it(name, HANG, async (t) => {
      const { hub } = await bareHub(t, { tls: tls(certificate) });
      const url = `${scheme}://${new URL(hub.url).host}`;
      await assertEnds(worker(t, url, ...(ca === undefined ? [] : ['--tls-ca', ca])), 2, message);
    });
  }

  it('wss:// against a coordinator without TLS', HANG, async (t) => {
    const { hub } = await bareHub(t);
    await assertEnds(
      worker(t, hub.url.replace('ws:', 'wss:')),
      2,
      /it doesn't speak TLS: connect to ws:\/\/127\.0\.0\.1:\d+\.$/,
    );
  });

  it('but not one that has been welcome: whoever answers then may be a stranger', HANG, async (t) => {
    const digests = { numerics: numericsByName(), selfTest: selfTest() };
    const { hub, events } = await bareHub(t, { digests, set: servedSet(64, 32), tls: tls(CERTIFICATE) });
    const node = worker(t, hub.url, '--tls-ca', own);
    await once(events, 'join');
    await hub.close('stopping');
    const { hostname: host, port } = new URL(hub.url);
    const place = { host, port: Number(port), tls: undefined };
    const server = await listenForWebSockets({ ...place, requiresLoopbackHost: true, maxFrameBytes: 1 });
    await bareHub(t, { server });
    await assertRetries(node, /^No connection to wss:\S+ \(it doesn't speak TLS: .*\); trying again/);
  });
});

describe('what may change by itself is tried again', () => {
  it('a connection that is refused', HANG, async (t) => {
    const server = createServer();
    const port = await portOf(t, server);
    server.close();
    await assertRetries(
      worker(t, `ws://localhost:${port}`),
      /^No connection to ws:\S+ \(.*ECONNREFUSED.*\); trying again/,
    );
  });

  it('a name that is not found', HANG, async (t) => {
    const token = file('token', 'a'.repeat(64));
    const node = worker(t, 'ws://nowhere.invalid:9465', '--token-file', token);
    await assertRetries(node, /^No connection to ws:\S+ \(.*(ENOTFOUND|EAI_AGAIN) nowhere\.invalid.*\); trying again/);
  });

  it('nobody for as long as --give-up-after says', HANG, async (t) => {
    const server = createServer();
    const port = await portOf(t, server);
    server.close();
    const node = worker(t, `ws://127.0.0.1:${port}`, '--give-up-after', '2s');
    await assertEnds(node, 1, /^No coordinator was found at ws:\S+ for 2 seconds: .*ECONNREFUSED/);
  });

  it('an HTTP server that is no coordinator', HANG, async (t) => {
    const port = await portOf(
      t,
      createServer((_, response) => response.writeHead(404).end()),
    );
    await assertRetries(
      worker(t, `ws://127.0.0.1:${port}`),
      /\(it answers HTTP 404, and not as train --listen does: .*\); trying again/,
    );
  });

  it('a server that says nothing', HANG, async (t) => {
    const node = worker(t, `ws://127.0.0.1:${await takenPort(t)}`);
    await assertRetries(node, /^No connection to ws:/);
  });
});

describe("a node's own failure is not the coordinator's", () => {
  const digests = { numerics: numericsByName(), selfTest: selfTest() };
  const set = servedSet(64, 32);

  it('a folder of data without the files', HANG, async (t) => {
    const { hub } = await bareHub(t, { digests, set });
    const data = join(folder, 'no-files');
    mkdirSync(data);
    await assertEnds(worker(t, hub.url, '--data', data), 2, /no-files: expected /);
  });

  const { MNIST_DIR } = process.env;
  it('a folder with another data set than the run: it receives that', {
    ...HANG,
    skip: MNIST_DIR === undefined && 'needs MNIST_DIR',
  }, async (t) => {
    const { hub, events } = await bareHub(t, { digests, set });
    const joined = once(events, 'join');
    const node = worker(t, hub.url, '--data', MNIST_DIR as string);
    await node.said(
      /^The run's data set is another one than that of --data: other samples, or another number of them\.$/,
    );
    await joined;
  });

  it('a run that needs more memory than this machine has', HANG, async (t) => {
    const huge = { ...set, welcome: { ...set.welcome, samples: 2 ** 32 - 1 } };
    const { hub } = await bareHub(t, { digests, set: huge });
    await assertEnds(worker(t, hub.url), 1, /^The run needs about \d+ MiB of memory, but this machine has \d+ MiB\.$/);
  });

  it('a run of another model', HANG, async (t) => {
    const other = { ...set, welcome: { ...set.welcome, parameters: set.welcome.parameters + 1 } };
    const { hub } = await bareHub(t, { digests, set: other });
    await assertEnds(worker(t, hub.url), 1, /^This node can't take part: .*another number of parameters/);
  });

  it('but other numerics are what the coordinator says', HANG, async (t) => {
    const { hub } = await bareHub(t);
    await assertEnds(
      worker(t, hub.url),
      1,
      /^The coordinator closed the connection: the peer runs another build, whose bits would differ \(4404\)\.$/,
    );
  });
});
