import type { Cluster } from '../coordinator/cluster/cluster.ts';
import type { Hub } from '../coordinator/cluster/hub.ts';
import { joinCommand } from '../coordinator/cluster/join-command.ts';
import { openHub } from '../coordinator/cluster/listening.ts';
import type { NodeInfo } from '../coordinator/cluster/node-info.ts';
import { type Engine, startClusterEngine, startEngine } from '../coordinator/engine.ts';
import { localCounts, localWork, remoteCounts } from '../coordinator/observe/prometheus/node-counts.ts';
import type { StepObserver } from '../coordinator/train/observer.ts';
import type { Executor } from '../shared/engine/executor.ts';
import { EventLoopLag } from '../shared/util/event-loop-lag.ts';
import type { LocalPool } from '../worker/pool/pool.ts';
import type { RunContext } from './run-context.ts';

/** Below this batch no node saved time in any measurement (docs/scaling.md); above it that depends on the nodes' number and speed. */
const MIN_BATCH_FOR_NODES = 512;

/** The workers of a run: the threads of this process and, if it listens, remote nodes. */
export interface Computing {
  readonly engine: Omit<Engine, 'pool'>;
  readonly executor: Executor;
  /** Accepts remote nodes from now on, if the run listens for them. @throws ListenError if the address can't be used */
  acceptNodes(): Promise<void>;
  /** Bytes exchanged with remote nodes; undefined if the run doesn't listen. */
  readonly networkBytes: Hub['counts']['bytes'] | undefined;
  /** @param end unless `finished`, nodes wait for the run to be resumed */
  close(end: { readonly finished: boolean }): Promise<void>;
}

type Watchers = Required<Pick<StepObserver, 'onEvent'>>;

/** Starts the threads of this process. @throws BackendError if the backend can't be used */
export function startComputing(context: RunContext, watchers: Watchers, stop: AbortSignal): Computing {
  const { memory, dataset, listening, metrics, feed, start } = context;
  const { config } = start.manifest;
  const notice = (message: string): void => watchers.onEvent({ kind: 'notice', level: 'warn', node: 'local', message });
  const options = {
    config,
    memory,
    dataset,
    onLost: (worker: number, { message }: Error) =>
      notice(`Worker ${worker} was lost (${message}); another one replaces it.`),
    onReady: (ready: number) =>
      watchers.onEvent({ kind: 'workers', node: 'local', counts: { ready, starting: config.workers - ready } }),
  };
  const onNoMembers = (): void => notice('There is no worker; waiting for a node to connect.');
  const engine: Omit<Engine, 'pool'> & { readonly pool: LocalPool | undefined; readonly cluster?: Cluster } =
    listening === undefined ? startEngine(options) : startClusterEngine({ ...options, stop, onNoMembers });
  const { pool, cluster } = engine;
  const lag = new EventLoopLag();
  metrics.watchNode('local', () => localCounts(pool, cluster, lag));
  if (config.workers > 0) feed?.watchNode('local', () => localWork(pool, cluster).shards);
  let hub: Hub | undefined;
  return {
    engine,
    executor: cluster ?? (pool as LocalPool),
    acceptNodes: async () => {
      hub = await openHubFor(context, watchers, engine);
    },
    get networkBytes() {
      return hub?.counts.bytes;
    },
    close: async ({ finished }) => {
      await hub?.close(finished ? 'runOver' : 'stopping');
      await cluster?.close();
      await pool?.close();
      lag.close();
    },
  };
}

async function openHubFor(
  { listening, metrics, feed, print, start, dataset }: RunContext,
  watchers: Watchers,
  { cluster, layout }: { readonly cluster?: Cluster } & Pick<Engine, 'layout'>,
): Promise<Hub | undefined> {
  if (cluster === undefined || listening === undefined) return undefined;
  const { config, name: run } = start.manifest;
  const hub = await openHub({
    listening,
    cluster,
    config,
    dataset,
    parameters: layout.parameters,
    run,
    onEvent: (event) => watchers.onEvent(event),
    onReady: ({ name, figures }: NodeInfo) => {
      const counts = cluster.shardCounts.get(name);
      if (counts === undefined) return;
      metrics.watchNode(name, () => remoteCounts(counts, figures));
      feed?.watchNode(name, () => counts);
    },
    onForget: (node) => {
      metrics.forgetNode(node);
      feed?.forgetNode(node);
    },
  });
  metrics.watchRemote(hub.counts, cluster.auditCounts);
  print(`Nodes can connect: ${joinCommand(hub.url, listening, config, process.env)}`);
  if (config.batch < MIN_BATCH_FOR_NODES) {
    print(
      `A batch of ${config.batch} is too small for other machines: sending weights and gradients takes longer than the work ` +
        `that they save. Below a batch of ${MIN_BATCH_FOR_NODES} no node saved time in any measurement (docs/scaling.md).`,
    );
  }
  return hub;
}
