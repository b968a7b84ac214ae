// A node that says what a test has it say, over a real connection.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { decodeFromCoordinator, encode } from '#src/shared/wire/frames.js';
import { growPayload, introduce } from '#src/shared/wire/greeting.js';
import { Link } from '#src/shared/wire/link.js';
import {
  BEFORE_WELCOME,
  type FromCoordinator,
  type FromNode,
  type Limits,
  type NodeMessage,
} from '#src/shared/wire/messages.js';

export interface BareNode {
  readonly send: (message: FromNode) => void;
  /** Resolves with the name of the close code, or its number. */
  readonly closed: Promise<string>;
  /** Breaks the connection. */
  readonly terminate: () => void;
}

/** Connects without a token, and answers nothing by itself. @param onMessage told of what the coordinator sends */
export async function bareNode(
  url: string,
  onMessage: (message: FromCoordinator) => void = () => {},
): Promise<BareNode> {
  const socket = new WebSocket(url, { perMessageDeflate: false, allowSynchronousEvents: false });
  socket.once('open', () => socket.pause());
  await once(socket, 'open');
  const seal = await introduce(socket, { token: undefined, connection: undefined });
  growPayload(socket, 1 << 24);
  let limits: Limits = BEFORE_WELCOME;
  let link: Link<FromCoordinator, FromNode> | undefined;
  const closed = new Promise<string>((resolve) => {
    link = new Link<FromCoordinator, FromNode>({
      ...{ socket, seal, encode },
      decode: (frame) => decodeFromCoordinator(frame, limits),
      onMessage: (message) => {
        if (message.type === 'welcome') limits = message;
        onMessage(message);
      },
      onClose: (code) =>
        resolve(Object.entries(closeCodes).find(([, each]) => each.code === code)?.[0] ?? String(code)),
    });
  });
  socket.resume();
  return { send: (message) => link?.send(message), closed, terminate: () => socket.terminate() };
}

/** A pong of so many samples a thread. */
export function pongOf(workerSamples: readonly number[], rest: Partial<NodeMessage<'pong'>> = {}): NodeMessage<'pong'> {
  return {
    ...({ type: 'pong', nonce: 0, memoryBytes: 5e7, eventLoopLagSeconds: 0.25 } as const),
    ...{ workersReady: workerSamples.length, workersLost: 0, workerSamples },
    ...rest,
  };
}
