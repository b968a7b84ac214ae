import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Delivery } from '#src/coordinator/observe/remote-write/delivery.js';
import { remoteWriteOf } from '#src/coordinator/observe/remote-write/start.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { download } from '#src/shared/data/download.js';
import { proxyFor } from '#src/shared/util/proxy.js';
import { MIRROR_CERTIFICATE, MIRROR_KEY } from '../../support/certificate.ts';
import { forwardProxy } from '../../support/forward-proxy.ts';
import { refusing, serve } from '../../support/mirror.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-proxy-'));
after(() => rmSync(folder, { recursive: true }));

const PROGRAM = fileURLToPath(new URL('../../support/download-program.js', import.meta.url));

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function get(url: string, env: NodeJS.ProcessEnv): Promise<string> {
  return download(url, { limit: 1 << 20, env }).then(String, ({ message }: Error) => message);
}

describe('the proxy of a URL', () => {
  const both = { HTTP_PROXY: 'http://plain:3128', HTTPS_PROXY: 'http://secure:3129' };

  it('is that of its protocol, by either spelling of the variable', () => {
    for (const [url, env, expected] of [
      ['http://a.example/x', both, 'http://plain:3128/'],
      ['https://a.example/x', both, 'http://secure:3129/'],
      ['https://a.example/x', { HTTP_PROXY: 'http://plain:3128' }, undefined],
      ['https://a.example/x', { https_proxy: 'https://small', HTTPS_PROXY: 'http://large' }, 'https://small/'],
      ['http://a.example/x', { http_proxy: 'bare:8080' }, 'http://bare:8080/'],
      ['http://a.example/x', { http_proxy: '' }, undefined],
      ['http://127.0.0.1:9090/x', both, undefined],
      ['http://localhost/x', both, undefined],
      ['http://[::1]/x', both, undefined],
      ['http://a.example/x', {}, undefined],
    ] as const) {
      assert.equal(proxyFor(url, env)?.href, expected, `${url} ${JSON.stringify(env)}`);
    }
  });

  it('is none for what NO_PROXY lists', () => {
    for (const [noProxy, listed, others] of [
      ['*', ['a.example', '10.0.0.1'], []],
      ['a.example', ['a.example', 'b.a.example', 'A.EXAMPLE'], ['ba.example', 'a.example.org']],
      ['.a.example, b.example', ['c.a.example', 'b.example'], ['xb.example']],
      ['*.a.example', ['c.a.example'], ['d.example']],
      ['a.example:8080', ['a.example:8080'], ['a.example', 'a.example:8081']],
      ['a.example:80', ['a.example'], ['a.example:8080']],
      ['10.0.0.0/8 192.168.1.7', ['10.20.30.40', '192.168.1.7:99'], ['11.0.0.1', '192.168.1.8']],
      ['fd00::/8,[2001:db8::1]:80', ['[fd00::7]', '[2001:db8::1]'], ['[fe00::7]', '[2001:db8::1]:81']],
      ['10.0.0.0/99,/,:', [], ['10.0.0.1', 'a.example']],
    ] as const) {
      for (const env of [{ NO_PROXY: noProxy }, { no_proxy: noProxy }]) {
        for (const host of listed) assert.equal(proxyFor(`http://${host}/`, { ...both, ...env }), undefined, host);
        for (const host of others) assert.ok(proxyFor(`http://${host}/`, { ...both, ...env }), host);
      }
    }
  });

  it('must be one of HTTP', () => {
    for (const text of ['socks5://host:1080', 'http://', '://']) {
      assert.throws(
        () => proxyFor('https://a.example/', { HTTPS_PROXY: text }),
        /^Error: HTTPS_PROXY .*expected a proxy/,
      );
    }
  });
});

describe('a download', () => {
  const answer = (t: TestContext) => serve(t, (_, response) => response.end('the file'));

  it('asks a proxy for what is not encrypted', async (t) => {
    const mirror = await answer(t);
    const proxy = await forwardProxy(t, () => portOf(mirror.url));
    assert.equal(await get('http://mirror.example/file', { http_proxy: proxy.url }), 'the file');
    assert.deepEqual(proxy.requests, ['GET http://mirror.example/file']);
  });

  it('is encrypted through a tunnel, with credentials for the proxy', async (t) => {
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, MIRROR_CERTIFICATE);
    const server = createServer({ cert: MIRROR_CERTIFICATE, key: MIRROR_KEY }, (_, response) =>
      response.end('a secret'),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const proxy = await forwardProxy(t, () => (server.address() as AddressInfo).port);
    const HTTPS_PROXY = proxy.url.replace('//', '//me:pass@');
    // Node.js reads the authorities that it trusts when it starts.
    const env = { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: ca, HTTPS_PROXY };
    const child = spawn(process.execPath, [PROGRAM, 'https://mirror.example/file'], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    assert.deepEqual([await text(child.stdout), await text(child.stderr)], ['a secret', '']);
    assert.deepEqual(proxy.requests, ['CONNECT mirror.example:443']);
    assert.equal(proxy.authorization(), `Basic ${Buffer.from('me:pass').toString('base64')}`);
  });

  it('from this machine needs no proxy', async (t) => {
    const mirror = await answer(t);
    assert.equal(await get(`${mirror.url}file`, { HTTP_PROXY: await refusing() }), 'the file');
  });

  it('that fails names the proxy, without its password', async (t) => {
    const nowhere = await refusing();
    for (const url of ['http://mirror.example/file', 'https://mirror.example/file']) {
      const proxied = nowhere.replace('//', '//me:pass@');
      const message = await get(url, { http_proxy: proxied, https_proxy: proxied });
      assert.match(message, /^failed: .*ECONNREFUSED.*, by the proxy http:\/\/127\.0\.0\.1:\d+$/);
    }
    const proxy = await forwardProxy(t, () => portOf(nowhere));
    assert.match(
      await get('http://mirror.example/', { http_proxy: proxy.url }),
      /^answered 502 .*, by the proxy http:/,
    );
    assert.match(await get('http://mirror.example/', { http_proxy: 'socks5://x' }), /HTTP_PROXY .*expected a proxy/);
  });
});

describe('remote write', () => {
  it('goes by way of the proxy', async (t) => {
    const receiver = await serve(t, (request, response) => {
      request.resume().on('end', () => response.writeHead(204).end());
    });
    const proxy = await forwardProxy(t, () => portOf(receiver.url));
    const { config } = resolveTrainConfig({ flags: { remoteWrite: 'http://prometheus.example/write' }, env: {} });
    const destination = (await remoteWriteOf(config, { HTTP_PROXY: proxy.url })) ?? assert.fail();
    const notices: string[] = [];
    const delivery = new Delivery({ ...destination, userAgent: 'test', onNotice: (line) => notices.push(line) });
    assert.equal(await delivery.deliver(() => Buffer.from('samples'), false), true);
    assert.deepEqual([proxy.requests, notices], [['POST http://prometheus.example/write'], []]);
    await assert.rejects(remoteWriteOf(config, { HTTP_PROXY: 'socks5://x' }), /^UsageError: HTTP_PROXY .*NO_PROXY/);
  });
});
