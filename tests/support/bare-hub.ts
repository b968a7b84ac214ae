// A hub that tells a test of all that it notices, over a cluster that gives no work.
import { EventEmitter } from 'node:events';
import type { TestContext } from 'node:test';
import type { Cluster } from '#src/coordinator/cluster/cluster.js';
import { Hub, type HubOptions } from '#src/coordinator/cluster/hub.js';
import type { NodeMessage } from '#src/shared/wire/messages.js';

const DIGEST = 'a'.repeat(64);

/** A hub on a free port of loopback, without a token. Events: join, leave, workers, forget, fault. */
export async function bareHub(t: TestContext, { tls }: { readonly tls?: HubOptions['tls'] } = {}) {
  const events = new EventEmitter();
  const clock = { now: 0 };
  const shardCounts = new Map<string, unknown>();
  const cluster = {
    join: ({ name }: { readonly name: string }) => shardCounts.set(name, {}),
    leave: () => {},
    shardCounts,
  } as unknown as Cluster;
  const limits = { samples: 8, testSamples: 8, chunkSize: 4, parameters: 2 };
  const hub = await Hub.listen({
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    tls,
    cluster,
    now: () => clock.now,
    run: {
      welcome: { run: 'run', config: {}, dataset: DIGEST, ...limits },
      shardSize: 4,
      classes: 10,
      numerics: DIGEST,
      selfTest: DIGEST,
      dataParts: () => [],
    },
    onJoin: (info) => events.emit('join', info),
    onLeave: ({ name }, reason) => events.emit('leave', name, reason),
    onWorkers: ({ name }, ready) => events.emit('workers', name, ready),
    onForget: (name) => events.emit('forget', name),
    onFault: (error) => events.emit('fault', error),
  });
  t.after(() => hub.close('runOver'));
  return { hub, events, clock, shardCounts };
}

/** The hello of a node that computes the bits of that hub. */
export function helloTo(node: string, threads: number, name = 'host'): NodeMessage<'hello'> {
  return { type: 'hello', node, name, threads, numerics: DIGEST, selfTest: DIGEST };
}
