// A hub that tells a test of all that it notices, over a cluster that gives no work.
import { EventEmitter } from 'node:events';
import type { TestContext } from 'node:test';
import type { Cluster } from '#src/coordinator/cluster/cluster.js';
import { Hub } from '#src/coordinator/cluster/hub.js';
import { maxBytesFromNode } from '#src/shared/wire/frames.js';
import type { NodeMessage } from '#src/shared/wire/messages.js';
import { SEAL_BYTES } from '#src/shared/wire/seal.js';
import type { TransportServer } from '#src/shared/wire/transport.js';
import { listenForWebSockets, type WsListenOptions } from '#src/shared/wire/ws-server.js';
import type { ServedSet } from './served-set.ts';

const DIGEST = 'a'.repeat(64);
const NUMERICS = { conv: 'a'.repeat(16) };
/** What a made run says of its samples. */
export const SAMPLE = { maps: 1, height: 28, width: 28, classes: 10, inputs: 'uint8', targets: 'uint16' } as const;

interface BareHubOptions {
  readonly tls?: WsListenOptions['tls'];
  /** What listens (default: WebSocket on a free port of loopback). */
  readonly server?: TransportServer;
  /** What a node must compute (default: what `helloTo` says). */
  readonly digests?: { readonly numerics: Readonly<Record<string, string>>; readonly selfTest: string };
  /** What it trains on (default: sizes alone). */
  readonly set?: ServedSet;
}

/** A hub without a token. Events: join, leave, workers, forget, fault. */
export async function bareHub(t: TestContext, options: BareHubOptions = {}) {
  const events = new EventEmitter();
  const clock = { now: 0 };
  const shardCounts = new Map<string, unknown>();
  const cluster = {
    join: ({ name }: { readonly name: string }) => shardCounts.set(name, {}),
    leave: () => {},
    shardCounts,
  } as unknown as Cluster;
  const limits = { samples: 8, testSamples: 8, validationSamples: 0, chunkSize: 4, parameters: 2, vectors: 1 };
  const { set } = options;
  const { type: _, ...welcome } = set?.welcome ?? {
    type: 'welcome',
    run: 'run',
    config: {},
    freeze: [],
    specBytes: 2,
    body: Buffer.from('{}'),
    dataset: DIGEST,
    dataBytes: 8,
    sample: SAMPLE,
    ...limits,
  };
  const { tls, digests = { numerics: NUMERICS, selfTest: DIGEST } } = options;
  const maxFrameBytes = maxBytesFromNode(welcome) + SEAL_BYTES;
  const hub = new Hub({
    server:
      options.server ??
      (await listenForWebSockets({ host: '127.0.0.1', port: 0, tls, requiresLoopbackHost: true, maxFrameBytes })),
    token: undefined,
    cluster,
    now: () => clock.now,
    run: {
      welcome,
      shardSize: 4,
      shards: 4,
      replicas: 1,
      classes: 10,
      hasAccuracy: true,
      maxLoss: 7e38,
      ...digests,
      dataParts: () => set?.parts ?? [],
    },
    onRefused: (host, why) => events.emit('refused', host, why),
    onJoin: (info) => events.emit('join', info),
    onLeave: ({ name }, reason) => events.emit('leave', name, reason),
    onWorkers: ({ name }, ready) => events.emit('workers', name, ready),
    onDownload: ({ name }, progress) => events.emit('download', name, progress),
    onForget: (name) => events.emit('forget', name),
    onFault: (error) => events.emit('fault', error),
  });
  t.after(() => hub.close('runOver'));
  return { hub, events, clock, shardCounts };
}

/** The hello of a node that computes the bits of that hub. */
export function helloTo(node: string, threads: number, name = 'host'): NodeMessage<'hello'> {
  return { type: 'hello', node, name, threads, numerics: NUMERICS, selfTest: DIGEST };
}
