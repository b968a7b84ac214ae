import { hostname } from 'node:os';
import type { RunEvent } from '../../coordinator/train/observer.ts';
import type { KernelName } from '../../shared/engine/kernel-name.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { readToken, TOKEN_VARIABLE } from '../../shared/util/token.ts';
import type { ConnectOptions, Transport } from '../../shared/wire/transport.ts';
import { runNode } from '../node.ts';
import { nodeThreads, nodeUrl, trustedCertificates } from '../node-options.ts';
import { type Environment, NO_ENVIRONMENT } from './environment.ts';
import type { EndedRun } from './run.ts';
import { type TrainControl, type TrainOptions, train } from './train.ts';

/** Where coordinators of the library listen unless they are told: on this machine alone, on any free port. */
const ANY_PORT = '127.0.0.1:0';

/** Where a node finds its coordinator, and what it computes with. */
export interface StartNodeOptions {
  /** The coordinator's address: ws://HOST:PORT or wss://HOST:PORT. */
  readonly url: string;
  /** The run's token; a coordinator beyond loopback requires one. */
  readonly token?: string;
  /** In its place, the file that holds it. */
  readonly tokenFile?: string;
  /** A file of PEM certificates to trust (default: those of the system). */
  readonly tlsCa?: string;
  /** Worker threads (default: `auto`, one for each processor). */
  readonly threads?: number | 'auto';
  /** The code that computes (default: `auto`). */
  readonly kernel?: KernelName;
  /** By which the coordinator shows this node (default: the machine's name). */
  readonly name?: string;
  /** A folder or file with the data set, if this machine has it (default: it is received from the coordinator). */
  readonly data?: string;
  /** Whether to wait for the next run when one is over (default: no). */
  readonly keep?: boolean;
  /** Connects over a transport of the caller's own, in place of WebSocket (docs/protocol.md). */
  readonly connect?: (options: ConnectOptions) => Promise<Transport>;
  /** Seconds without a coordinator after which the node ends (default: never). */
  readonly giveUpAfter?: number;
  readonly environment?: Environment;
  /** The coordinator trains a run of this name. */
  readonly onRun?: (name: string) => void;
  /** The node takes part from now on, or no longer. */
  readonly onJoined?: (isJoined: boolean) => void;
  readonly onNotice?: Print;
}

/** This process as a node of a coordinator. */
export interface RunningNode {
  /**
   * Resolves when the run is over, or the node was told to stop. Rejects with UsageError if the address or the token can't be used, and
   * with NodeError if the coordinator closed the connection for a reason that a retry can't change.
   */
  readonly ended: Promise<'finished' | 'stopped'>;
  /** The node leaves; what it is at goes to others. */
  stop(): void;
}

/**
 * Lets this process compute for a coordinator until its run is over. A connection that is lost is made again.
 * @throws UsageError if an option can't be used
 */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  const { token, tokenFile, tlsCa, environment: env = NO_ENVIRONMENT, threads, name = hostname() } = options;
  const { onRun, onJoined, onNotice, kernel, data, keep = false, giveUpAfter, connect } = options;
  const url = nodeUrl(options.url);
  const file = tokenFile === undefined ? undefined : callerPath(tokenFile, env);
  const stopping = new AbortController();
  const ended = runNode({
    url,
    token: await readToken({ file, env: token === undefined ? env : { [TOKEN_VARIABLE]: token } }),
    ca: await trustedCertificates(tlsCa, url),
    threads: nodeThreads(threads),
    ...(kernel && { kernel }),
    name,
    data,
    env,
    keep,
    giveUpAfter,
    connect,
    stop: stopping.signal,
    onEvent(event) {
      if (event.kind === 'run') onRun?.(event.name);
      else if (event.kind === 'joined') onJoined?.(event.isJoined);
      else onNotice?.(event.message, event.level);
    },
  });
  // Whoever asks for the end is told of a failure, whenever that is.
  ended.catch(() => {});
  return { ended, stop: () => stopping.abort() };
}

/** A run that remote nodes can take part in. */
export interface Coordinator {
  /** Where nodes connect: ws://HOST:PORT or wss://HOST:PORT. */
  readonly url: string;
  /** Resolves with the run when it has ended; rejects as `train` does. */
  readonly ended: Promise<EndedRun>;
  /** The run ends after the steps under way, with a checkpoint, and can be resumed. */
  stop(): void;
}

/**
 * Trains a run to which remote nodes can connect: `train` with `listen` (default: this machine alone, on any free port). With `workers:
 * 0` the nodes alone compute.
 * @returns as soon as nodes can connect
 * @throws as `train`, if the run can't begin
 */
export async function startCoordinator(options: TrainOptions = {}, control: TrainControl = {}): Promise<Coordinator> {
  const stopping = new AbortController();
  const { signal = stopping.signal, observers = [] } = control;
  return new Promise((resolve, reject) => {
    const onEvent = (event: RunEvent): void => {
      if (event.kind === 'listening') resolve({ url: event.url, ended, stop: () => stopping.abort() });
    };
    const ended = train(
      { listen: ANY_PORT, ...options },
      { ...control, signal: AbortSignal.any([signal, stopping.signal]), observers: [...observers, { onEvent }] },
    );
    // A failure after this coordinator is known is for those who wait for its end.
    ended.then(({ path }) => reject(new UsageError(`${path} ended before nodes could connect.`)), reject);
  });
}
