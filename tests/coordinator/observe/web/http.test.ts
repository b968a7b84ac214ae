import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { describe, type TestContext, test } from 'node:test';
import { EventStreamClients } from '#src/coordinator/observe/web/event-stream-clients.js';
import { startHttp } from '#src/coordinator/observe/web/http.js';
import { metricsAddressOf } from '#src/coordinator/observe/web/metrics-address.js';
import { resolvePageConfig } from '#src/shared/config/config.js';
import { ListenError } from '#src/shared/util/errors.js';
import { newToken, Token } from '#src/shared/util/token.js';
import { takenPort } from '../../../support/taken-port.ts';

/** Two taken ports, one after the other. */
async function neighbours(t: TestContext): Promise<[number, number]> {
  for (;;) {
    const port = await takenPort(t);
    const next = createServer().listen(port + 1, '127.0.0.1');
    const isFree = await once(next, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    t.after(() => next.close());
    return [port, port + 1];
  }
}

describe('startHttp', () => {
  const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'lockstep_steps_total 1\n' };

  test('serves metrics and health', async (t) => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    t.after(() => server.close());
    const response = await fetch(`${server.url}/metrics`);
    assert.equal(response.headers.get('content-type'), metrics.contentType);
    assert.equal(await response.text(), 'lockstep_steps_total 1\n');
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    assert.equal((await fetch(`${server.url}/other`)).status, 404);
    assert.equal(server.moved, false);
  });

  test('says by /readyz whether it is ready', async (t) => {
    let isReady = false;
    const server = await startHttp({ port: 0, explicit: true, metrics, isReady: () => isReady });
    t.after(() => server.close());
    const answer = async (): Promise<[number, string]> => {
      const response = await fetch(`${server.url}/readyz`);
      return [response.status, await response.text()];
    };
    assert.deepEqual(await answer(), [503, 'starting\n']);
    isReady = true;
    assert.deepEqual(await answer(), [200, 'ready\n']);
  });

  test('takes the next free port where the default is taken, but none to avoid', async (t) => {
    const [port, taken] = await neighbours(t);
    const avoid = [port + 2];
    const server = await startHttp({ port, explicit: false, avoid, metrics });
    t.after(() => server.close());
    const found = Number(new URL(server.url).port);
    assert.ok(found > taken && found < port + 100 && !avoid.includes(found), `${found} after ${port}`);
  });

  test('takes a free port where the default is taken, and says that it moved', async (t) => {
    const port = await takenPort(t);
    const server = await startHttp({ port, explicit: false, metrics });
    t.after(() => server.close());
    assert.equal(server.moved, true);
    assert.notEqual(new URL(server.url).port, String(port));
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  });

  test('refuses to start where the given port is taken', async (t) => {
    const port = await takenPort(t);
    await assert.rejects(startHttp({ port, explicit: true, metrics }), (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.exitCode, 75);
      assert.match(error.message, new RegExp(`Port ${port} .* is taken`));
      return true;
    });
  });

  test('closes while a connection is kept open', async () => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /200 OK.*keep-alive/is);
    const ended = once(socket, 'close');
    await server.close();
    await ended;
  });

  test('answers GET and HEAD alone, and says to keep nothing', async (t) => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    t.after(() => server.close());
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const path of ['/metrics', '/healthz', '/other']) {
        const response = await fetch(`${server.url}${path}`, { method });
        assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD'], `${method} ${path}`);
      }
    }
    const head = await fetch(`${server.url}/metrics`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text()], [200, '']);
    assert.equal(head.headers.get('cache-control'), 'no-store');
    assert.equal(head.headers.get('x-content-type-options'), 'nosniff');
  });

  test('is read by nobody who calls this machine by another name', async (t) => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    t.after(() => server.close());
    const { port } = new URL(server.url);
    for (const [host, status] of [
      ['attacker.example', 421],
      [`attacker.example:${port}`, 421],
      ['127.0.0.1.attacker.example', 421],
      [`localhost:${port}`, 200],
      [hostname(), 200],
      [`${hostname().toUpperCase()}:${port}`, 200],
      [`${hostname()}.attacker.example`, 421],
      ['[::1]:9464', 200],
    ] as const) {
      // fetch doesn't let the header be chosen.
      const socket = connect(Number(port), '127.0.0.1');
      socket.write(`GET /metrics HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      const [answer] = await once(socket, 'data');
      assert.match(String(answer), new RegExp(`^HTTP/1.1 ${status} `), host);
    }
  });

  test('listens on the given address, and says which', async (t) => {
    for (const metricsHost of ['::1', '[::1]']) {
      const page = resolvePageConfig({ flags: { metricsHost, metricsPort: '0' }, env: {} });
      const address = (await metricsAddressOf(page, {})) ?? assert.fail();
      const server = await startHttp({ ...address, metrics });
      t.after(() => server.close());
      assert.match(server.url, /^http:\/\/\[::1\]:\d+$/);
      assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    }
  });
});

describe('the event stream', () => {
  const feed = () => ({
    clients: new EventStreamClients(),
    snapshot: () => ({ type: 'list', title: '', isChosen: false, runs: [] }) as const,
  });

  test('has the headers of the other answers', async (t) => {
    const server = await startHttp({ port: 0, explicit: true, feed: feed() });
    t.after(() => server.close());
    const stream = await fetch(`${server.url}/feed`);
    t.after(() => stream.body?.cancel());
    const other = await fetch(`${server.url}/healthz`);
    const own = ['content-type', 'content-length', 'date', 'connection', 'keep-alive'];
    const names = [...other.headers.keys()].filter((name) => !own.includes(name));
    assert.ok(names.length >= 5);
    for (const name of names) assert.equal(stream.headers.get(name), other.headers.get(name), name);
    assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  });

  test('answers HEAD without becoming a stream', async (t) => {
    const data = feed();
    const server = await startHttp({ port: 0, explicit: true, feed: data });
    t.after(() => server.close());
    const head = await fetch(`${server.url}/feed`, { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text(), data.clients.size], [200, '', 0]);
    assert.equal(head.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  });
});

describe('connections that ask for nothing', () => {
  /** Connections from an address of this machine, accepted in order. */
  async function idle(url: string, count: number, localAddress: string): Promise<Socket[]> {
    const sockets: Socket[] = [];
    for (let i = 0; i < count; i++) {
      const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', localAddress });
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write('GET /healthz HT');
      sockets.push(socket);
    }
    return sockets;
  }

  test('keep nobody out, from their own address neither', async (t) => {
    const server = await startHttp({ port: 0, explicit: true });
    t.after(() => server.close());
    const sockets = await idle(server.url, 200, '127.0.0.1');
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    for (const socket of sockets) socket.destroy();
  });

  test('displace those of their own address, and no answer that is under way', async (t) => {
    const data = {
      clients: new EventStreamClients(),
      snapshot: () => ({ type: 'list', title: '', isChosen: false, runs: [] }) as const,
    };
    const server = await startHttp({ port: 0, explicit: true, feed: data });
    t.after(() => server.close());
    const stream = await fetch(`${server.url}/feed`);
    t.after(() => stream.body?.cancel());
    const [other] = (await idle(server.url, 1, '127.0.0.2')) as [Socket];
    const sockets = await idle(server.url, 200, '127.0.0.1');
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    assert.equal(data.clients.size, 1);
    other.write('TP/1.1\r\nHost: localhost\r\n\r\n');
    assert.match(String((await once(other, 'data'))[0]), /200 OK/);
    for (const socket of [other, ...sockets]) socket.destroy();
  });

  test('that send their headers slowly are closed, and this machine is answered meanwhile', {
    timeout: 60_000,
  }, async (t) => {
    const server = await startHttp({ port: 0, explicit: true });
    t.after(() => server.close());
    const [slow] = (await idle(server.url, 1, '127.0.0.2')) as [Socket];
    let answer = '';
    slow.on('data', (chunk) => {
      answer += chunk;
    });
    const closed = once(slow, 'close');
    slow.write('TP/1.1\r\n');
    // Each header comes by itself, so that the connection is never silent.
    const timer = setInterval(() => slow.write('X-Header: 1\r\n'), 100);
    t.after(() => clearInterval(timer));
    let answered = 0;
    while (!slow.destroyed) {
      assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
      answered++;
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 200))]);
    }
    assert.match(answer, /^HTTP\/1\.1 408 /);
    assert.ok(answered > 1);
  });

  test('are no more from many addresses than from one', async (t) => {
    const server = await startHttp({ port: 0, explicit: true });
    t.after(() => server.close());
    const sockets: Socket[] = [];
    for (let last = 2; last < 12; last++) sockets.push(...(await idle(server.url, 20, `127.0.0.${last}`)));
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    for (const socket of sockets) socket.destroy();
  });
});

describe('a bearer token', () => {
  const text = newToken();
  const start = async (t: TestContext, token = new Token(text)): Promise<string> => {
    const metrics = { contentType: 'text/plain', text: async () => 'lockstep_steps_total 1\n' };
    const server = await startHttp({ port: 0, explicit: true, metrics, token });
    t.after(() => server.close());
    return server.url;
  };

  test('opens the metrics, in whatever case its scheme is written', async (t) => {
    const url = await start(t);
    for (const authorization of [`Bearer ${text}`, `bearer ${text}`]) {
      const response = await fetch(`${url}/metrics`, { headers: { authorization } });
      assert.deepEqual([response.status, await response.text()], [200, 'lockstep_steps_total 1\n']);
    }
  });

  test('of any letters is compared by its UTF-8 bytes, as Prometheus sends it', async (t) => {
    const letters = 'ein Schlüssel, länger als zweiundzwanzig Zeichen';
    const url = await start(t, new Token(letters));
    const authorization = `Bearer ${Buffer.from(letters).toString('latin1')}`;
    assert.equal((await fetch(`${url}/metrics`, { headers: { authorization } })).status, 200);
  });

  test('is demanded: without it, or with another one, nothing is told but that', async (t) => {
    const url = await start(t);
    const wrong = ['', 'Bearer', 'Bearer ', `Bearer ${newToken()}`, `Bearer ${text}x`, `Bearer ${text.slice(1)}`, text];
    const basic = (password: string): string => `Basic ${Buffer.from(`name:${password}`).toString('base64')}`;
    for (const authorization of [...wrong, basic(''), basic(newToken()), basic(`${text}x`), `Basic ${text}`]) {
      const response = await fetch(`${url}/metrics`, { headers: authorization === '' ? {} : { authorization } });
      assert.equal(response.status, 401, authorization);
      assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer /);
      const body = await response.text();
      assert.doesNotMatch(body, /lockstep_steps_total/);
      assert.equal(body.includes(text), false);
    }
    assert.equal((await fetch(`${url}/metrics?token=${text}`)).status, 401);
  });

  test('may be the password of any name, as browsers ask for one', async (t) => {
    const url = await start(t);
    const headers = { authorization: `Basic ${Buffer.from(`me:${text}`).toString('base64')}` };
    assert.equal((await fetch(`${url}/metrics`, { headers })).status, 200);
    assert.match((await fetch(`${url}/metrics`)).headers.get('www-authenticate') ?? '', /Basic realm="lockstep"/);
  });

  test('is not needed for /healthz', async (t) => {
    assert.equal((await fetch(`${await start(t)}/healthz`)).status, 200);
  });
});
