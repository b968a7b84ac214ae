import type { Registry } from 'prom-client';
import { progressOf } from '../cli/progress/progress.ts';
import type { Terminal } from '../cli/progress/terminal.ts';
import type { StopSignals } from '../cli/signals.ts';
import type { Cluster } from '../coordinator/cluster/cluster.ts';
import type { Hub } from '../coordinator/cluster/hub.ts';
import { type HubOptions, type Listening, openHub } from '../coordinator/cluster/listening.ts';
import type { NodeInfo } from '../coordinator/cluster/node-registry.ts';
import { type Engine, startClusterEngine, startEngine } from '../coordinator/engine.ts';
import type { WireCounts } from '../coordinator/observe/prometheus/cluster-families.ts';
import { localCounts, localWork, remoteCounts } from '../coordinator/observe/prometheus/node-counts.ts';
import type { RunMetrics } from '../coordinator/observe/prometheus/run-metrics.ts';
import type { Destination } from '../coordinator/observe/remote-write/delivery.ts';
import type { RemoteWriter } from '../coordinator/observe/remote-write/remote-writer.ts';
import { startRemoteWrite } from '../coordinator/observe/remote-write/start.ts';
import { eventLogOf } from '../coordinator/observe/tensorboard/open.ts';
import type { LiveFeed } from '../coordinator/observe/web/live-feed.ts';
import { recall } from '../coordinator/observe/web/recall.ts';
import type { WebServer } from '../coordinator/observe/web/web-server.ts';
import { CheckpointWriter } from '../coordinator/run/checkpoint-writer.ts';
import { ended, type Manifest, manifestJson } from '../coordinator/run/manifest.ts';
import type { RunDirectory } from '../coordinator/run/run-directory.ts';
import type { RunStart } from '../coordinator/run/start.ts';
import { announcement, samplesText, summaryOf, summaryText } from '../coordinator/run/summary.ts';
import { HashChain } from '../coordinator/train/hash-chain.ts';
import { type StepObserver, type StepRecord, together } from '../coordinator/train/observer.ts';
import { train } from '../coordinator/train/train.ts';
import type { TrainingResult } from '../coordinator/train/training.ts';
import type { Dataset } from '../shared/data/dataset.ts';
import type { Executor } from '../shared/engine/executor.ts';
import type { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { initialWeights } from '../shared/model/initialize.ts';
import { commandLine } from '../shared/util/command-line.ts';
import { RunDirectoryError, WriteError } from '../shared/util/errors.ts';
import { EventLoopLag } from '../shared/util/event-loop-lag.ts';
import { typedPath } from '../shared/util/shown-path.ts';
import { keepYoungSmall } from '../shared/util/young-garbage.ts';
import type { LocalPool } from '../worker/pool/pool.ts';

/** Samples of a step from which on another machine saves more time than it costs (docs/scaling.md). */
const BATCH_FOR_NODES = 512;

export interface RunContext {
  readonly directory: RunDirectory;
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
  readonly registry: Registry;
  /** In the registry. */
  readonly metrics: RunMetrics;
  /** Of the live page; undefined: there is none. */
  readonly feed: LiveFeed | undefined;
  readonly http: WebServer | undefined;
  /** Undefined: this machine trains alone. */
  readonly listening: Listening | undefined;
  /** Undefined: steps aren't sent anywhere. */
  readonly remoteWrite: Destination | undefined;
  readonly stop: StopSignals;
  readonly terminal: Terminal;
}

/**
 * Carries a run out: trains, and keeps run.json.
 * @returns the exit code
 */
export async function runTraining(start: RunStart, context: RunContext): Promise<number> {
  const { manifest, from } = start;
  const { directory, metrics, feed, http, stop, terminal, remoteWrite, registry } = context;
  const { config, dataset } = manifest;
  const run = directory.path;
  await directory.writeManifest(manifestJson(manifest));
  const { iterations } = config;
  const begun = Date.parse(manifest.attempts.at(-1)?.started ?? manifest.started);
  metrics.begin({ attempt: manifest.attempts.length, startedAt: begun, step: from.step, iterations });
  for (const line of announcement({ run, config, dataset, http, from: from.step })) terminal.print(line);
  if (feed !== undefined) await recall(directory, from.step, feed);
  const writer = await startRemoteWrite(remoteWrite, manifest, {
    run,
    registry,
    print: (line) => terminal.print(line),
  });
  const chain = new HashChain(start.chain);
  let steps = from.step;
  const follow = ({ step }: StepRecord): void => {
    steps = step;
    terminal.setContext({ step });
  };
  try {
    const { result, network } = await trainIn(start, { ...context, chain, follow, writer });
    const samples = await writer?.finish(stop.signal);
    const summary = summaryOf({ run, config, dataset, result, started: new Date(begun), network, samples });
    const state = steps === config.iterations ? 'finished' : 'stopped';
    const [first = '', ...others] = summaryText(summary, config);
    // In the log, `run` is the run's name, on every line.
    const { run: path, ...figures } = summary;
    terminal.print(first, { ...figures, path });
    for (const line of others) terminal.print(line);
    if (config.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    await feed?.end(state);
    await conclude(directory, ended(manifest, { state, steps, chain: chain.value, result: summary }));
    return state === 'finished' ? 0 : stop.exitCode;
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    const ending = { state: 'failed', steps, chain: chain.value, failure } as const;
    // It may be the directory that failed: then the first error is the one to tell.
    await feed?.end('failed');
    await directory.writeManifest(manifestJson(ended(manifest, ending))).catch(() => {});
    const samples = await writer?.finish(AbortSignal.abort());
    if (samples !== undefined && samples.dropped > 0) terminal.print(samplesText(samples));
    throw error;
  }
}

/** Writes run.json for the last time. @throws WriteError: all the rest is saved, so going on with the run mends it */
async function conclude(directory: RunDirectory, manifest: Manifest): Promise<void> {
  try {
    await directory.writeManifest(manifestJson(manifest));
  } catch (error) {
    if (!(error instanceof RunDirectoryError)) throw error;
    const resume = commandLine(`train --resume ${typedPath(directory.path)}`, process.env);
    throw new WriteError(`${error.message} The checkpoint is saved; this brings run.json up to date: ${resume}`, {
      cause: error,
    });
  }
}

interface TrainContext extends RunContext {
  readonly chain: HashChain;
  /** Told of each step after the log. */
  readonly follow: (record: StepRecord) => void;
  readonly writer: RemoteWriter | undefined;
}

interface Trained {
  readonly result: TrainingResult;
  /** Bytes exchanged with remote nodes. */
  readonly network: WireCounts['bytes'] | undefined;
}

async function trainIn(start: RunStart, context: TrainContext): Promise<Trained> {
  const { manifest, from, state: initial } = start;
  const { directory, memory, dataset, metrics, feed, stop, terminal, chain, follow, writer } = context;
  const { config, digests, attempts } = manifest;
  const { iterations: steps, batch } = config;
  const progress = progressOf({ terminal, steps, batch, now: () => performance.now() });
  const log: StepObserver = { onStep: (record) => directory.appendStep(record) };
  const events = await eventLogOf(start, directory, (message) =>
    watchers.onEvent({ kind: 'notice', level: 'warn', message }),
  );
  const watchers = together([metrics, feed ?? {}, progress, log, { onStep: follow }, writer ?? {}, events ?? {}]);
  const notice = (message: string): void => watchers.onEvent({ kind: 'notice', level: 'warn', node: 'local', message });
  const { engine, cluster, executor, pool, close } = startComputing(context.listening !== undefined, {
    ...{ config, memory, dataset, stop: stop.signal },
    onNoMembers: () => notice('No worker is there; waiting for a node to connect.'),
    onLost: (worker, { message }) => notice(`Worker ${worker} was lost (${message}); another takes its place.`),
    onReady: (ready) =>
      watchers.onEvent({ kind: 'workers', node: 'local', counts: { ready, starting: config.workers - ready } }),
  });
  const { layout, kernel, state, optimizer, testLabels } = engine;
  const lag = new EventLoopLag();
  metrics.watchNode('local', () => localCounts(pool, cluster, lag));
  if (config.workers > 0) feed?.watchNode('local', () => localWork(pool, cluster).shards);
  const lockLost = new AbortController();
  const checkpoints = new CheckpointWriter({
    ...{ folder: directory.checkpoints, files: directory.files, layout, config, digests, from: from.step },
    ends: attempts.map(({ iterations }) => iterations),
    syncLog: async () => {
      await directory.syncSteps();
      // A run that goes on from this checkpoint finds the events up to it.
      await events?.flush();
    },
    observer: watchers,
    onLockLost: () => lockLost.abort(),
  });
  let hub: Hub | undefined;
  try {
    hub = await acceptNodes(cluster, context, {
      ...{ config, dataset, parameters: layout.parameters, run: manifest.name },
      onEvent: (event) => watchers.onEvent(event),
    });
    state.load(initial?.weights ?? initialWeights(layout, config.seed, kernel.squareRoot), initial?.optimizer);
    if (from.step === 0) events?.weights(0, state.current.values);
    keepYoungSmall();
    const result = await train({
      ...{ config, from, executor, state, optimizer, chain, testLabels },
      observer: together([
        watchers,
        checkpoints,
        { onEvaluation: ({ step }) => events?.weights(step, state.current.values) },
      ]),
      checkpoint: (taken) => {
        events?.weights(taken.step, taken.weights);
        checkpoints.take(taken);
      },
      checkpointAsked: stop.checkpointAsked,
      stop: AbortSignal.any([stop.signal, lockLost.signal]),
    });
    await checkpoints.finish(stop.signal);
    return { result, network: hub?.counts.bytes };
  } catch (error) {
    // What led here is the failure to tell.
    await checkpoints.finish(AbortSignal.abort()).catch(() => {});
    throw error;
  } finally {
    await events?.close();
    terminal.clear();
    await hub?.close(stop.signal.aborted ? 'stopping' : 'runOver');
    await close();
    lag.close();
  }
}

interface Computing {
  readonly engine: Omit<Engine, 'pool'>;
  /** Undefined: the threads of this process alone. */
  readonly cluster: Cluster | undefined;
  readonly executor: Executor;
  /** The threads of this process, where it has any. */
  readonly pool: LocalPool | undefined;
  close(): Promise<void>;
}

function startComputing(listens: boolean, options: Parameters<typeof startClusterEngine>[0]): Computing {
  if (!listens) {
    const engine = startEngine(options);
    const { pool } = engine;
    return { engine, cluster: undefined, executor: pool, pool, close: () => pool.close() };
  }
  const engine = startClusterEngine(options);
  const { cluster, pool } = engine;
  const close = async (): Promise<void> => {
    await cluster.close();
    await pool?.close();
  };
  return { engine, cluster, executor: cluster, pool, close };
}

/** Lets nodes in, where this run listens for them. */
async function acceptNodes(
  cluster: Cluster | undefined,
  { listening, metrics, feed, terminal }: RunContext,
  options: Omit<HubOptions, 'listening' | 'cluster' | 'onReady' | 'onForget'>,
): Promise<Hub | undefined> {
  if (cluster === undefined || listening === undefined) return undefined;
  const onReady = ({ name, figures }: NodeInfo): void => {
    const counts = cluster.shardCounts.get(name);
    if (counts === undefined) return;
    metrics.watchNode(name, () => remoteCounts(counts, figures));
    feed?.watchNode(name, () => counts);
  };
  const onForget = (node: string): void => {
    metrics.forgetNode(node);
    feed?.forgetNode(node);
  };
  const hub = await openHub({ ...options, listening, cluster, onReady, onForget });
  metrics.watchRemote(hub.counts, cluster.auditCounts);
  terminal.print(`Nodes can connect: lockstep worker --connect ${hub.url}`);
  if (options.config.batch < BATCH_FOR_NODES) {
    terminal.print(
      `A batch of ${options.config.batch} is small for other machines: weights and gradients take longer on the way than the ` +
        `work they save. They pay from about ${BATCH_FOR_NODES} on (docs/scaling.md).`,
    );
  }
  return hub;
}
