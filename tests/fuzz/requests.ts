// Requests of HTTP, well formed or nearly so.
import fc from 'fast-check';
import { changes, mutated } from '../shared/wire/mutations.ts';
import { UPGRADE } from './wire.ts';

const header = fc.tuple(
  fc.constantFrom(
    'Authorization',
    'Connection',
    'Upgrade',
    'Sec-WebSocket-Key',
    'Sec-WebSocket-Version',
    'Sec-WebSocket-Extensions',
    'Content-Length',
    'Transfer-Encoding',
    'Expect',
    'Host',
    'If-None-Match',
    'Origin',
    'Range',
    'X',
  ),
  fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.constantFrom('chunked', 'permessage-deflate', '13', '-1', '9999999999', 'localhost', 'x'.repeat(20_000)),
  ),
);

function requestTo(paths: fc.Arbitrary<string>, host: readonly string[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(
      fc.constantFrom('GET', 'GET', 'HEAD', 'POST', 'CONNECT', 'OPTIONS', 'PRI', 'get'),
      paths,
      fc.array(header, { maxLength: 8 }),
    )
    .map(([method, path, headers]) => {
      const lines = headers.map(([name, value]) => `${name}: ${value}`);
      return Buffer.from([`${method} ${path || '/'} HTTP/1.1`, ...host, ...lines, '', ''].join('\r\n'));
    });
}

const damaged = (text: string): fc.Arbitrary<Buffer> => changes.map((changed) => mutated(Buffer.from(text), changed));

/** To the port for nodes. */
export const requests = fc.oneof(damaged(UPGRADE), requestTo(fc.webPath(), []));

const known = fc.constantFrom('/', '/metrics', '/feed', '/healthz', '/readyz', '/index.html', '/style.css');
const strange = fc.constantFrom('//', '/..', '/%2e%2e/', '/..%2f..%2fetc%2fpasswd', '/%00', '/%', '*', '/__proto__');

/** To the port of the live page and the metrics. */
export const requestsOfPages = fc.oneof(
  damaged('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
  requestTo(
    fc.oneof(
      known,
      strange,
      fc.webPath(),
      fc.tuple(known, fc.webPath()).map(([a, b]) => a + b),
    ),
    ['Host: localhost'],
  ),
);
