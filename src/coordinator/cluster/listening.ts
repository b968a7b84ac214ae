import { augmentOf } from '../../shared/config/augment-option.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { GRADIENT_KEYS, REPLICA_KEYS } from '../../shared/config/node-options.ts';
import { type Dataset, inputKindOf, shapeOf } from '../../shared/data/dataset.ts';
import { packedPieces } from '../../shared/data/pack.ts';
import { Parts } from '../../shared/data/parts.ts';
import { numericsByName } from '../../shared/engine/numerics/numerics.ts';
import { stateShapeOf } from '../../shared/engine/replica.ts';
import { selfTest } from '../../shared/engine/self-test.ts';
import { headOf } from '../../shared/model/kinds.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { ListenError, UsageError } from '../../shared/util/errors.ts';
import { isLoopback } from '../../shared/util/loopback.ts';
import { readToken, type Token } from '../../shared/util/token.ts';
import { maxBytesFromNode } from '../../shared/wire/frames.ts';
import { type Limits, MAX_SPEC_BYTES } from '../../shared/wire/messages.ts';
import { SEAL_BYTES } from '../../shared/wire/seal.ts';
import type { NodeTransport, TransportServer } from '../../shared/wire/transport.ts';
import { listenForWebSockets, type WsListenOptions } from '../../shared/wire/ws-server.ts';
import { evaluatedOf } from '../../worker/pool/setup.ts';
import type { RunEvent } from '../train/observer.ts';
import { type Certificate, certificateOf } from './certificate.ts';
import type { Cluster } from './cluster.ts';
import { Hub } from './hub.ts';
import type { NodeInfo, RunDescription } from './node-info.ts';
import { MAX_THREADS_SHOWN } from './self-report.ts';

/** Where and how a coordinator listens for nodes. */
export interface Listening {
  /** Undefined: nodes come over a transport of the caller's. */
  readonly address: Address | undefined;
  readonly token: Token | undefined;
  readonly tls: Certificate | undefined;
  readonly transport: NodeTransport;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * What --listen and its companions give; undefined if this machine trains alone.
 * @param transport in place of WebSocket; with one, nodes are accepted without --listen too, and its address means nothing
 * @throws UsageError if that isn't safe, or can't be read
 */
export async function listeningOf(
  config: TrainConfig,
  env: NodeJS.ProcessEnv,
  transport?: NodeTransport,
): Promise<Listening | undefined> {
  const { backend, listen } = config;
  if (listen === undefined && transport === undefined) return undefined;
  if (backend !== 'kernel') {
    const [given, advice] = listen === undefined ? ['transport', 'the transport'] : [`--listen ${listen}`, '--listen'];
    throw new UsageError(
      `${given}: remote nodes compute by the kernel alone, whose bits are the same on every machine; those of the ` +
        `backend ${backend} are not. Leave out ${advice}, or train with --backend kernel.`,
    );
  }
  if (transport === undefined) return overWebSocket(listen as string, config, env);
  return { address: undefined, token: await readToken({ file: config.tokenFile, env }), tls: undefined, transport };
}

async function overWebSocket(listen: string, config: TrainConfig, env: NodeJS.ProcessEnv): Promise<Listening> {
  const address = addressOf(listen);
  const token = await readToken({ file: config.tokenFile, env });
  const tls = await certificateOf(config);
  const transport: NodeTransport = {
    listen: ({ maxFrameBytes }) => bind(address, { tls, requiresLoopbackHost: token === undefined, maxFrameBytes }),
  };
  const listening = { address, token, tls, transport };
  if (isLoopback(address.host)) return listening;
  if (token === undefined) {
    throw new UsageError(
      `--listen ${listen}: anybody on the network could join without a token. Make one by ` +
        `\`${commandLine('token --out token', env)}\` and give it to both sides by --token-file, or listen on 127.0.0.1.`,
    );
  }
  if (tls === undefined && !config.plaintext) {
    throw new UsageError(
      `--listen ${listen}: without TLS anybody on the network path can read weights and images. Give --tls-cert and --tls-key, ` +
        'or --plaintext if that is acceptable.',
    );
  }
  return listening;
}

async function bind({ host, port }: Address, options: Omit<WsListenOptions, keyof Address>): Promise<TransportServer> {
  try {
    return await listenForWebSockets({ host, port, ...options });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const advice = code?.startsWith('ERR_SSL')
      ? 'This machine takes no such key or certificate for TLS: name stronger ones.'
      : 'Name another address, or port 0 for any free one.';
    throw new ListenError(`--listen: ${host}:${port} can't be bound: ${message}. ${advice}`, { cause: error });
  }
}

/**
 * Listens for nodes. Until `openHub`, connections are closed at once, and nodes try again.
 * @throws ListenError if the address can't be bound, UsageError if nodes don't take a spec of that length, and what a caller's transport throws
 */
export function listenForNodes(
  { transport }: Listening,
  dataset: Dataset,
  layout: ModelLayout,
  config: TrainConfig,
): Promise<TransportServer> {
  specBytes(layout);
  const maxFrameBytes = maxBytesFromNode({ ...sizesOf(config, layout), ...evaluatedOf(dataset) }) + SEAL_BYTES;
  return transport.listen({ maxFrameBytes });
}

export interface HubOptions {
  /** What `listenForNodes` returned. */
  readonly server: TransportServer;
  readonly token: Token | undefined;
  readonly cluster: Cluster;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  readonly layout: ModelLayout;
  /** The run's name. */
  readonly run: string;
  readonly onEvent: (event: RunEvent) => void;
  /** A node has become a member. */
  readonly onReady: (node: NodeInfo) => void;
  /** A node's name is free again. */
  readonly onForget: (node: string) => void;
}

/** Accepts nodes from now on. */
export function openHub(options: HubOptions): Hub {
  const { server, token, cluster, onEvent, onReady, onForget } = options;
  const notice = (node: string, message: string, level: 'info' | 'warn' = 'info'): void =>
    onEvent({ kind: 'notice', level, node, message });
  const run = describeRun(options);
  return new Hub({
    server,
    token,
    cluster,
    onForget,
    run,
    onRefused: (host, why) => notice(host, `Node ${host} is refused, since its bits would differ: ${why}.`, 'warn'),
    onJoin: (info) => {
      const { name, threads } = info;
      onReady(info);
      onEvent({ kind: 'joined', node: name });
      notice(name, joinedText(info));
      onEvent({ kind: 'workers', node: name, counts: { ready: threads, starting: 0 } });
    },
    onWorkers: ({ name, threads }, ready) =>
      onEvent({ kind: 'workers', node: name, counts: { ready, starting: threads - ready } }),
    onLeave: ({ name }, reason, why) => {
      onEvent({ kind: 'gone', node: name, reason });
      notice(name, `Node ${name} is gone (${why}); its work goes to others.`, 'warn');
      onEvent({ kind: 'workers', node: name, counts: { ready: 0, starting: 0 } });
    },
    onDownload: ({ name }, progress) => notice(name, `Node ${name} receives the data set: ${progress}.`),
    onFault: ({ stack }) =>
      onEvent({
        kind: 'notice',
        level: 'error',
        message: `An internal error ended the connection of a node: ${stack}`,
      }),
  });
}

/** What every node of the run is told, and what bounds its answers. */
function describeRun({ config, dataset, layout, run }: HubOptions): RunDescription {
  const { optimizer, shardSize, replicas, schedule } = config;
  const augment = augmentOf(config, shapeOf(dataset));
  const { spec, layers, classes, loss } = layout;
  const parts = new Parts(packedPieces(dataset));
  const head = headOf(spec.head);
  const body = specBytes(layout);
  const { samples, testSamples: _, ...sample } = shapeOf(dataset);
  return {
    welcome: {
      run,
      config: nodeConfig(config, augment),
      freeze: layers.filter(({ frozen }) => frozen).map((layer) => layer.spec.name),
      dataset: dataset.sha256,
      dataBytes: parts.bytes,
      samples,
      sample,
      ...evaluatedOf(dataset),
      ...sizesOf(config, layout),
      specBytes: body.length,
      body,
    },
    shardSize,
    shards: config.batch / replicas / shardSize,
    replicas,
    classes: head.targetKind === 'class' ? classes : 2,
    hasAccuracy: head.hasAccuracy,
    maxLoss: head.maxLoss(spec.head) * Math.max(1, ...(loss?.classWeights ?? [])),
    numerics: numericsByName({ layout, optimizer, augment, replicas, schedule, inputs: inputKindOf(dataset.train) }),
    selfTest: selfTest(),
    dataParts: () => parts,
  };
}

/** The options of a run that decide what a node computes. */
function nodeConfig(config: TrainConfig, augment: string) {
  const keys = config.replicas === 1 ? GRADIENT_KEYS : [...GRADIENT_KEYS, ...REPLICA_KEYS];
  return { ...Object.fromEntries(keys.map((key) => [key, config[key]])), augment };
}

/** What decides the length of weights, and of what nodes send back. */
function sizesOf(config: TrainConfig, { parameters }: ModelLayout): Pick<Limits, 'parameters' | 'vectors'> {
  const { hasSecondMoments } = stateShapeOf(config, parameters);
  return { parameters, vectors: config.replicas === 1 ? 1 : hasSecondMoments ? 3 : 2 };
}

/** @throws UsageError if the spec is longer than a message */
function specBytes({ spec, loss }: ModelLayout): Uint8Array {
  const bytes = Buffer.from(JSON.stringify({ ...spec, loss }));
  if (bytes.length <= MAX_SPEC_BYTES) return bytes;
  throw new UsageError(
    `--listen: the spec of ${spec.name} has ${bytes.length} bytes, but nodes take ${MAX_SPEC_BYTES}. Train without --listen.`,
  );
}

function joinedText({ name, threads }: NodeInfo): string {
  const rest = threads > MAX_THREADS_SHOWN ? ` The metrics count those from ${MAX_THREADS_SHOWN - 1} on as one.` : '';
  return `Node ${name} joined with ${threads} thread${threads === 1 ? '' : 's'}.${rest}`;
}

function addressOf(listen: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(listen) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new UsageError(`--listen: expected HOST:PORT, such as 127.0.0.1:9465 or [::1]:0, but got "${listen}".`);
}
