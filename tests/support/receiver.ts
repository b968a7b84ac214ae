import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { uncompress } from 'snappyjs';
import { WriteRequest } from '#src/coordinator/observe/remote-write/write-request.js';

/** Unix milliseconds and the value. */
export type Sample = readonly [number, number];

export interface Received {
  readonly request: IncomingMessage;
  /** By `name{label="value",…}`, the labels as they came. */
  readonly series: ReadonlyMap<string, readonly Sample[]>;
  /** Of lockstep_step. */
  readonly steps: readonly number[];
}

export interface Receiver {
  readonly url: string;
  /** In the order in which they came, those that were refused included. */
  readonly received: readonly Received[];
  /** The most requests that were under way at once. */
  readonly atOnce: number;
}

/** A real server on loopback that decodes what it is sent; `answer` is given each request, from 1 on. */
export async function startReceiver(
  t: TestContext,
  answer: (number: number, response: ServerResponse, received: Received) => void,
): Promise<Receiver> {
  const received: Received[] = [];
  let [underWay, atOnce] = [0, 0];
  const server = createServer(async (request, response) => {
    atOnce = Math.max(atOnce, ++underWay);
    response.on('close', () => underWay--);
    const one = { request, ...decoded(await buffer(request)) };
    received.push(one);
    answer(received.length, response, one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`;
  return {
    ...{ url, received },
    get atOnce() {
      return atOnce;
    },
  };
}

interface Decoded {
  readonly timeseries: readonly {
    readonly labels: readonly { readonly name: string; readonly value: string }[];
    readonly samples: readonly { readonly timestamp: { toNumber(): number }; readonly value: number }[];
  }[];
}

/** A request's body. */
export function decoded(body: Uint8Array): Pick<Received, 'series' | 'steps'> {
  const { timeseries } = WriteRequest.decode(uncompress(body)) as unknown as Decoded;
  const series = new Map<string, readonly Sample[]>();
  for (const { labels, samples } of timeseries) {
    const [name, ...others] = labels;
    const key = `${name?.value}{${others.map((label) => `${label.name}="${label.value}"`).join(',')}}`;
    series.set(
      key,
      samples.map(({ timestamp, value }) => [timestamp.toNumber(), value]),
    );
  }
  const steps = [...series].find(([key]) => key.startsWith('lockstep_step{'))?.[1] ?? [];
  return { series, steps: steps.map(([, value]) => value) };
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
