import type { Cluster } from '../coordinator/cluster/cluster.ts';
import type { Hub } from '../coordinator/cluster/hub.ts';
import { joinCommand, nodesNeed } from '../coordinator/cluster/join-command.ts';
import { listenForNodes, openHub } from '../coordinator/cluster/listening.ts';
import type { NodeInfo } from '../coordinator/cluster/node-info.ts';
import { forecastText, type RoundForecast } from '../coordinator/cluster/round-forecast.ts';
import { type Engine, startClusterEngine, startEngine } from '../coordinator/engine.ts';
import { localCounts, localWork, ownProcess, remoteCounts } from '../coordinator/observe/prometheus/node-counts.ts';
import type { StepObserver } from '../coordinator/train/observer.ts';
import type { TrainConfig } from '../shared/config/config.ts';
import type { Executor } from '../shared/engine/executor.ts';
import { modelOf } from '../shared/model/registry.ts';
import { EventLoopLag } from '../shared/util/event-loop-lag.ts';
import type { TransportServer } from '../shared/wire/transport.ts';
import type { LocalPool } from '../worker/pool/pool.ts';
import type { TrainingInputs } from './inputs.ts';
import { printer } from './observer.ts';
import type { Served } from './served.ts';

/** Below this batch no node saved time in any measurement (docs/scaling.md); above it that depends on the nodes' number and speed. */
const MIN_BATCH_FOR_NODES = 512;

/** The workers of a run: the threads of this process and, if it listens, remote nodes. */
export interface Computing {
  readonly engine: Omit<Engine, 'pool'>;
  readonly executor: Executor;
  /** Accepts remote nodes from now on, if the run listens for them. @param run the run's name */
  acceptNodes(run: string): void;
  /** Resolves once somebody is there to compute, or the run is stopped: no step has to wait for the first node. */
  ready(): Promise<void>;
  /** Bytes exchanged with remote nodes; undefined if the run doesn't listen. */
  readonly networkBytes: Hub['counts']['bytes'] | undefined;
  /** Does nothing the second time. @param end unless `finished`, nodes wait for the run to be resumed */
  close(end: { readonly finished: boolean }): Promise<void>;
}

export interface ComputingOptions {
  readonly config: TrainConfig;
  readonly inputs: TrainingInputs;
  readonly served: Pick<Served, 'metrics' | 'nodes'>;
  readonly observer: Required<Pick<StepObserver, 'onEvent'>>;
  /** Aborted: nobody waits for nodes any more. */
  readonly stop: AbortSignal;
}

interface Accepting extends ComputingOptions {
  readonly server: TransportServer;
  readonly cluster: Cluster;
  readonly layout: Engine['layout'];
}

/**
 * Binds the address for nodes, takes all memory and starts the threads of this process.
 * @throws ListenError if the address can't be used, BackendError if the backend can't
 */
export async function startComputing(options: ComputingOptions): Promise<Computing> {
  const { config, inputs, served, observer, stop } = options;
  const { memory, dataset, listening } = inputs;
  const server = listening && (await listenForNodes(listening, dataset, modelOf(config, dataset), config));
  const notice = (message: string): void => observer.onEvent({ kind: 'notice', level: 'warn', node: 'local', message });
  const starting = {
    config,
    memory,
    dataset,
    onLost: (worker: number, { message }: Error) =>
      notice(`Worker ${worker} was lost (${message}); another one replaces it.`),
    onReady: (ready: number) =>
      observer.onEvent({ kind: 'workers', node: 'local', counts: { ready, starting: config.workers - ready } }),
  };
  const onNoMembers = (): void => notice('There is no worker; waiting for a node to connect.');
  const onForecast = (forecast: RoundForecast): void => {
    const { text, pays } = forecastText(forecast, config);
    printer(observer)(text, pays ? 'info' : 'warn');
  };
  let engine: Omit<Engine, 'pool'> & { readonly pool: LocalPool | undefined; readonly cluster?: Cluster };
  try {
    engine =
      server === undefined ? startEngine(starting) : startClusterEngine({ ...starting, stop, onNoMembers, onForecast });
  } catch (error) {
    await closeUnused(server);
    throw error;
  }
  const { pool, cluster, layout } = engine;
  const lag = new EventLoopLag();
  served.metrics.watchNode('local', () => localCounts(pool, cluster, lag));
  if (config.workers > 0) {
    served.nodes.watch('local', () => ({ ...localWork(pool, cluster), ...ownProcess() }));
  }
  let hub: Hub | undefined;
  let closing: Promise<void> | undefined;
  const close = async (finished: boolean): Promise<void> => {
    if (hub === undefined) await closeUnused(server);
    else await hub.close(finished ? 'runOver' : 'stopping');
    await cluster?.close();
    await pool?.close();
    lag.close();
  };
  return {
    engine,
    executor: cluster ?? (pool as LocalPool),
    acceptNodes: (run) => {
      if (server !== undefined && cluster !== undefined)
        hub = acceptNodes(run, { ...options, server, cluster, layout });
    },
    ready: async () => cluster?.ready(),
    get networkBytes() {
      return hub?.counts.bytes;
    },
    close: ({ finished }) => {
      closing ??= close(finished);
      return closing;
    },
  };
}

async function closeUnused(server: TransportServer | undefined): Promise<void> {
  server?.stop();
  await server?.end(0);
}

function acceptNodes(run: string, { config, inputs, served, observer, server, cluster, layout }: Accepting): Hub {
  const { dataset, listening } = inputs;
  const { metrics, nodes } = served;
  const print = printer(observer);
  const hub = openHub({
    server,
    token: listening?.token,
    cluster,
    config,
    dataset,
    layout,
    run,
    onEvent: (event) => observer.onEvent(event),
    onReady: ({ name, figures }: NodeInfo) => {
      const counts = cluster.shardCounts.get(name);
      if (counts === undefined) return;
      metrics.watchNode(name, () => remoteCounts(counts, figures));
      nodes.watch(name, () => remoteCounts(counts, figures));
    },
    onForget: (node) => {
      metrics.forgetNode(node);
      nodes.forget(node);
    },
  });
  metrics.watchRemote(hub.counts, cluster.auditCounts);
  observer.onEvent({ kind: 'listening', url: hub.url });
  const isOwn = listening?.address === undefined;
  print(`Nodes can connect: ${isOwn ? hub.url : joinCommand(hub.url, listening.tls, config, process.env)}`);
  const needs = isOwn ? undefined : nodesNeed(hub.url, listening, config);
  if (needs !== undefined) print(needs);
  if (config.replicas === 1 && config.batch < MIN_BATCH_FOR_NODES) {
    print(
      `A batch of ${config.batch} is too small for other machines: sending weights and gradients takes longer than the work ` +
        `that they save. Below a batch of ${MIN_BATCH_FOR_NODES} no node saved time in any measurement.`,
      'warn',
    );
  }
  return hub;
}
