import { once } from 'node:events';
import { request as ask, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { TestContext } from 'node:test';

export interface ForwardProxy {
  readonly url: string;
  /** The lines of requests, such as CONNECT host:443. */
  readonly requests: readonly string[];
  /** The credentials of the last request. */
  readonly authorization: () => string | undefined;
}

/** A proxy that reaches one server, whatever name it is asked for, by tunnels and by requests with whole URLs. */
export async function forwardProxy(t: TestContext, to: () => number): Promise<ForwardProxy> {
  const requests: string[] = [];
  let authorization: string | undefined;
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    authorization = request.headers['proxy-authorization'];
    const { pathname } = new URL(request.url ?? '');
    const { method, headers } = request;
    const onward = ask({ port: to(), path: pathname, method: method ?? 'GET', headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  server.on('connect', ({ url, headers }, socket) => {
    requests.push(`CONNECT ${url}`);
    authorization = headers['proxy-authorization'];
    const onward = connect(to(), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [socket, onward]) end.on('error', () => onward.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, authorization: () => authorization };
}
