import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { selfTest } from '../shared/engine/self-test.ts';
import { NodeError, UsageError } from '../shared/util/errors.ts';
import { isLoopback } from '../shared/util/loopback.ts';
import type { Print, Severity } from '../shared/util/notice.ts';
import { printable } from '../shared/util/printable.ts';
import { processorCount } from '../shared/util/processors.ts';
import type { Token } from '../shared/util/token.ts';
import { TOKEN_VARIABLE } from '../shared/util/token.ts';
import { closeCodes, closeNamed, retriesAfter } from '../shared/wire/close-codes.ts';
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
  /** The coordinator's address: ws://HOST:PORT or wss://HOST:PORT. */
  readonly url: string;
  readonly token: Token | undefined;
  /** PEM certificates to trust (default: those of the system). */
  readonly ca: Buffer | undefined;
  /** auto: one for each processor, but no more than a run can use. */
  readonly threads: number | 'auto';
  /** The name by which the coordinator shows this node. */
  readonly name: string;
  /** A folder of MNIST's files, if this machine has one. */
  readonly data: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Whether to wait for the next run when one is over. */
  readonly keep: boolean;
  /** Aborted: the node leaves. */
  readonly stop: AbortSignal;
  readonly onEvent: (event: NodeEvent) => void;
}

export type NodeEvent =
  /** The coordinator trains this run. */
  | { readonly kind: 'run'; readonly name: string }
  | { readonly kind: 'notice'; readonly message: string; readonly level: Severity };

/**
 * Computes for a coordinator until its run is over, and connects again whenever the connection is lost.
 * @returns `finished` if the run is over, `stopped` if the node was asked to leave
 * @throws UsageError without a token for a coordinator beyond loopback, MemoryError if memory can't be had, NodeError if the connection ended for a reason that a retry can't change, and that no stranger can have given
 */
export async function runNode(options: NodeOptions): Promise<'finished' | 'stopped'> {
  const { url, token, ca, name, env, keep, stop, onEvent } = options;
  if (token === undefined && !isLoopback(new URL(url).hostname)) {
    throw new UsageError(`--connect ${url}: anybody on the network could answer without a token. ${TOKEN_HINT}`);
  }
  const print: Print = (message, level = 'info') => onEvent({ kind: 'notice', message, level });
  const areMost = options.threads === 'auto';
  const threads = options.threads === 'auto' ? processorCount() : options.threads;
  // Its result is kept for every connection. If memory can't be had, no connection changes that.
  selfTest();
  const data = new NodeData({ flag: options.data, env, threads, areMost, print });
  const connect = (maxFrameBytes: number) => connectWebSocket(url, { ca, maxFrameBytes });
  const node = { connect, token, threads, identity: randomUUID(), name, leave: stop };
  let pause = FIRST_PAUSE_MS;
  let printed: string | undefined;
  try {
    while (!stop.aborted) {
      const ending = await takePart({
        ...node,
        prepare: (welcome, received) => {
          onEvent({ kind: 'run', name: welcome.run });
          return data.prepare(welcome, received);
        },
        onReady: () => {
          pause = FIRST_PAUSE_MS;
          printed = undefined;
          print(`Computing for ${url} with ${threads} thread${threads === 1 ? '' : 's'}.`);
        },
      }).catch((error: Error): Ending => ({ code: 1006, reason: error.message, finished: false, isFinal: false }));
      if (stop.aborted) break;
      if (ending.finished && !keep) {
        print('The run is over.');
        return 'finished';
      }
      if (!ending.finished && ending.isFinal) {
        throw new NodeError(`The coordinator closed the connection: ${reasonOf(ending)}.${hintOf(ending)}`);
      }
      const line = ending.finished
        ? `The run is over; waiting for the next one at ${url}.`
        : `No connection to ${url} (${reasonOf(ending)}); trying again.${hintOf(ending)}`;
      if (line !== printed) print(line, ending.finished ? 'info' : 'warn');
      printed = line;
      await sleep(pause / 2 + randomInt(Math.ceil(pause / 2)), undefined, { signal: stop }).catch(() => {});
      pause = Math.min(retriesAfter(ending.code) ? LAST_PAUSE_MS : LAST_REFUSED_PAUSE_MS, 2 * pause);
    }
    return 'stopped';
  } finally {
    await data.close();
  }
}

/** What a peer may have said, in one line. */
function reasonOf({ code, reason }: Ending): string {
  const text = printable(reason.replace(/\.$/, ''));
  if (text === '') return String(code);
  return closeNamed(code) === undefined ? text : `${text} (${code})`;
}

function hintOf({ code }: Ending): string {
  return code === closeCodes.unauthorized.code ? ` ${TOKEN_HINT}` : '';
}
