import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { StartTimer } from '#src/shared/data/download.js';
import { BYTES, FILES } from './made-set.ts';

export interface Mirror {
  /** Ends in a slash. */
  readonly url: string;
  /** Paths that were asked for. */
  readonly requests: readonly string[];
}

/** A server on loopback that lives as long as the test. */
export async function serve(t: TestContext, answer: RequestListener): Promise<Mirror> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, requests };
}

/** The address of a server that is no more. */
export async function refusing(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}/`;
}

/** Answers with the made-up set's files, packed. */
export function deliver(request: IncomingMessage, response: ServerResponse): void {
  const packed = PACKED.get(request.url ?? '');
  if (packed === undefined) response.writeHead(404).end();
  else response.writeHead(200, { 'content-length': packed.length }).end(packed);
}

export const PACKED: ReadonlyMap<string, Buffer> = new Map(
  FILES.map(({ name }, i) => [`/${name}.gz`, gzipSync(BYTES[i] as Buffer)]),
);

export interface HandTimer {
  readonly startTimer: StartTimer;
  readonly pending: ReadonlySet<() => void>;
  /** Lets every deadline that is set pass. */
  readonly fire: () => void;
}

/** Deadlines that pass when the test says so. */
export function handTimer(): HandTimer {
  const pending = new Set<() => void>();
  return {
    pending,
    startTimer: (_, expired) => {
      pending.add(expired);
      return { cancel: () => pending.delete(expired) };
    },
    fire: () => {
      for (const expired of [...pending]) expired();
    },
  };
}
