import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { findAt } from '../shared/data/open.ts';
import { chooseKernel } from '../shared/engine/kernel-choice.ts';
import type { KernelName, KernelTarget } from '../shared/engine/kernel-name.ts';
import { numericsByName } from '../shared/engine/numerics/numerics.ts';
import { selfTest } from '../shared/engine/self-test.ts';
import { NodeError, UsageError } from '../shared/util/errors.ts';
import { isLoopback } from '../shared/util/loopback.ts';
import type { Print, Severity } from '../shared/util/notice.ts';
import { printable } from '../shared/util/printable.ts';
import { processorCount } from '../shared/util/processors.ts';
import type { Token } from '../shared/util/token.ts';
import { TOKEN_VARIABLE } from '../shared/util/token.ts';
import { closeCodes, closeText, NO_CLOSE_FRAME, retriesAfter } from '../shared/wire/close-codes.ts';
import { ConnectError } from '../shared/wire/connect-error.ts';
import type { ConnectOptions, Transport } from '../shared/wire/transport.ts';
import { connectWebSocket } from '../shared/wire/ws-transport.ts';
import { NodeData } from '../worker/node/data.ts';
import { type Ending, takePart } from '../worker/node/session.ts';

/** Pauses between two attempts to connect, in milliseconds: the first one is doubled each time up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;
/** The last pause if somebody, perhaps not the coordinator, said that a retry won't help. */
const LAST_REFUSED_PAUSE_MS = 60_000;
const TOKEN_HINT = `Pass that run's token by --token-file FILE or $${TOKEN_VARIABLE}.`;

export interface NodeOptions {
  /** The coordinator's address: ws://HOST:PORT or wss://HOST:PORT; with `connect`, what messages call it. */
  readonly url: string;
  /**
   * Connects to the coordinator in place of WebSocket, each time that a connection is wanted (docs/protocol.md). What it throws is a
   * connection that didn't come about; another one is tried.
   */
  readonly connect?: ((options: ConnectOptions) => Promise<Transport>) | undefined;
  readonly token: Token | undefined;
  /** PEM certificates to trust (default: those of the system). */
  readonly ca: Buffer | undefined;
  /** auto: one for each processor, but no more than a run can use. */
  readonly threads: number | 'auto';
  /** The code that computes (default: auto). */
  readonly kernel?: KernelName;
  /** The name by which the coordinator shows this node. */
  readonly name: string;
  /** A folder or file with a data set, if this machine has one. */
  readonly data: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Whether to wait for the next run when one is over. */
  readonly keep: boolean;
  /** Seconds without a coordinator after which this node ends (default: never). */
  readonly giveUpAfter?: number | undefined;
  /** Aborted: the node leaves. */
  readonly stop: AbortSignal;
  readonly onEvent: (event: NodeEvent) => void;
}

export type NodeEvent =
  /** The coordinator trains this run. */
  | { readonly kind: 'run'; readonly name: string }
  /** This node takes part in the run from now on, or no longer. */
  | { readonly kind: 'joined'; readonly isJoined: boolean }
  | { readonly kind: 'notice'; readonly message: string; readonly level: Severity };

/**
 * Computes for a coordinator until its run is over, and connects again whenever the connection is lost.
 * @returns `finished` if the run is over, and no other was found within `giveUpAfter` if it waits for one, `stopped` if the node was asked to leave
 * @throws UsageError without a token for a coordinator beyond loopback, or if address or certificates are wrong; NodeError if the
 * connection ended for a reason that a retry can't change, and that no stranger can have given, or if no coordinator was found for
 * `giveUpAfter`; another LockstepError if this node fails
 */
export async function runNode(options: NodeOptions): Promise<'finished' | 'stopped'> {
  const { url, token, env, keep, stop, onEvent, giveUpAfter = Number.POSITIVE_INFINITY } = options;
  if (options.connect === undefined && token === undefined && !isLoopback(new URL(url).hostname)) {
    throw new UsageError(`--connect ${url}: anybody on the network could answer without a token. ${TOKEN_HINT}`);
  }
  const print: Print = (message, level = 'info') => onEvent({ kind: 'notice', message, level });
  const areMost = options.threads === 'auto';
  const threads = options.threads === 'auto' ? processorCount() : options.threads;
  // Their results are kept for every connection. If memory can't be had, no connection changes that.
  selfTest();
  const { target, problem } = chooseKernel(options.kernel ?? 'auto');
  if (problem !== undefined) print(problem, 'warn');
  numericsByName();
  if (options.data !== undefined) await findAt(options.data, { env, print, reading: {} });
  const data = new NodeData({ flag: options.data, env, threads, kernel: target, areMost, print });
  const node = new Node(options, { threads, target, data, print });
  let printed: string | undefined;
  let hasFinished = false;
  let foundAt = performance.now();
  try {
    while (!stop.aborted) {
      const ending = await node.takePart();
      if (stop.aborted) break;
      if (node.wasReady) foundAt = performance.now();
      hasFinished ||= ending.finished;
      if (ending.finished && !keep) {
        print('The run is over.');
        return 'finished';
      }
      const [reason, hint] = [reasonOf(ending), hintOf(ending)];
      if (!ending.finished && ending.isFinal) {
        throw new NodeError(
          `${ending.isOwn ? "This node can't take part" : 'The coordinator closed the connection'}: ${reason}.${hint}`,
        );
      }
      const line = ending.finished
        ? `The run is over; waiting for the next one at ${url}.`
        : `No connection to ${url} (${reason}); trying again.${hint}`;
      if (line !== printed || node.wasReady) print(line, ending.finished ? 'info' : 'warn');
      printed = line;
      if (performance.now() - foundAt > 1000 * giveUpAfter) {
        const found = `No coordinator was found at ${url} for ${giveUpAfter} seconds`;
        if (!hasFinished) throw new NodeError(`${found}: ${reason}.${hint}`);
        print(`${found}; its last run is over.`);
        return 'finished';
      }
      await node.pause(ending);
    }
    return 'stopped';
  } finally {
    await data.close();
  }
}

/** What a node has for all of its connections. */
interface NodeOwn {
  readonly threads: number;
  /** The code that computes. */
  readonly target: KernelTarget;
  readonly data: NodeData;
  readonly print: (line: string) => void;
}

/** This process as a node, over all of its connections. */
class Node {
  /** The last connection came so far that work could be done. */
  wasReady = false;
  readonly #options: NodeOptions;
  readonly #own: NodeOwn;
  readonly #identity = randomUUID();
  /** A coordinator has proved itself: address and certificates are right, whatever is found of a peer from now on. */
  #hasBeenWelcome = false;
  #welcomedAt: number | undefined;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(options: NodeOptions, own: NodeOwn) {
    this.#options = options;
    this.#own = own;
  }

  /** One connection. @throws UsageError if address or certificates are wrong, and what this node fails at */
  async takePart(): Promise<Ending> {
    const { url, token, name, stop, onEvent } = this.#options;
    const { threads, target, data, print } = this.#own;
    const code = target === 'wasm' ? '' : ` (${target})`;
    this.wasReady = false;
    this.#welcomedAt = undefined;
    try {
      return await takePart({
        token,
        threads,
        name,
        identity: this.#identity,
        leave: stop,
        connect: (maxFrameBytes) => this.#connect({ maxFrameBytes, signal: stop }),
        prepare: (welcome) => {
          this.#hasBeenWelcome = true;
          this.#welcomedAt ??= performance.now();
          onEvent({ kind: 'run', name: welcome.run });
          return data.prepare(welcome);
        },
        onReady: () => {
          this.wasReady = true;
          onEvent({ kind: 'joined', isJoined: true });
          this.#pauseMs = FIRST_PAUSE_MS;
          print(`Computing for ${url} with ${threads} thread${threads === 1 ? '' : 's'}${code}.`);
        },
      });
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (error.isMisconfigured && !this.#hasBeenWelcome) {
        throw new UsageError(`--connect ${url}: ${printable(error.message)}.`, { cause: error });
      }
      return { code: NO_CLOSE_FRAME, reason: error.message, finished: false, isFinal: false, isOwn: false };
    } finally {
      if (this.wasReady) onEvent({ kind: 'joined', isJoined: false });
    }
  }

  async #connect(options: ConnectOptions): Promise<Transport> {
    const { url, ca, connect } = this.#options;
    if (connect === undefined) return connectWebSocket(url, { ca, ...options });
    try {
      return await connect(options);
    } catch (error) {
      const { message } = error as Error;
      throw new ConnectError(message, { cause: error, isMisconfigured: false });
    }
  }

  /** Waits before the next connection: longer each time, but not after one that lasted longer than the wait, on a link that breaks often. */
  async pause({ code }: Ending): Promise<void> {
    const lasted = this.#welcomedAt === undefined ? 0 : performance.now() - this.#welcomedAt;
    if (lasted > this.#pauseMs) this.#pauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(retriesAfter(code) ? LAST_PAUSE_MS : LAST_REFUSED_PAUSE_MS, 2 * pauseMs);
    const { stop: signal } = this.#options;
    await sleep(pauseMs / 2 + randomInt(Math.ceil(pauseMs / 2)), undefined, { signal }).catch(() => {});
  }
}

/** What a peer may have said, in one line. */
function reasonOf({ code, reason }: Ending): string {
  return printable(closeText(code, reason));
}

function hintOf({ code }: Ending): string {
  return code === closeCodes.unauthorized.code ? ` ${TOKEN_HINT}` : '';
}
