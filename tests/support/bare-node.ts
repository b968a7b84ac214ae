// A node that says what a test has it say, over a real connection.
import { closeNamed } from '#src/shared/wire/close-codes.js';
import { decodeFromCoordinator, encode } from '#src/shared/wire/frames.js';
import { Link } from '#src/shared/wire/link.js';
import {
  BEFORE_WELCOME,
  type FromCoordinator,
  type FromNode,
  type Limits,
  type NodeMessage,
} from '#src/shared/wire/messages.js';
import { handshakeAsNode } from '#src/shared/wire/perform-handshake.js';
import type { Transport } from '#src/shared/wire/transport.js';
import { connectWebSocket } from '#src/shared/wire/ws-transport.js';

export interface BareNode {
  readonly send: (message: FromNode) => void;
  /** Resolves with the name of the close code, or its number. */
  readonly closed: Promise<string>;
  /** Breaks the connection. */
  readonly terminate: () => void;
}

export interface BareNodeOptions {
  /** What the coordinator sends. */
  readonly onMessage?: (message: FromCoordinator) => void;
  /** PEM of the authority that signed the coordinator's certificate. */
  readonly ca?: string;
}

/** Connects to a URL without a token, or takes a connection; answers nothing by itself. */
export async function bareNode(
  to: string | Transport,
  { onMessage = () => {}, ca }: BareNodeOptions = {},
): Promise<BareNode> {
  const transport = typeof to === 'string' ? await connectWebSocket(to, { ca, maxFrameBytes: 1 << 24 }) : to;
  const seal = await handshakeAsNode(transport, { token: undefined });
  let limits: Limits = BEFORE_WELCOME;
  let close: (code: string) => void = () => {};
  const closed = new Promise<string>((resolve) => {
    close = resolve;
  });
  const link = new Link<FromCoordinator, FromNode>({
    transport,
    seal,
    encode,
    decode: (frame) => decodeFromCoordinator(frame, limits),
    onMessage: (message) => {
      if (message.type === 'welcome') limits = message;
      onMessage(message);
    },
    onClose: (code) => close(closeNamed(code) ?? String(code)),
  });
  return { send: (message) => link.send(message), closed, terminate: () => link.terminate() };
}

/** A pong of so many samples a thread. */
export function pongOf(workerSamples: readonly number[], rest: Partial<NodeMessage<'pong'>> = {}): NodeMessage<'pong'> {
  return {
    type: 'pong',
    memoryBytes: 5e7,
    processorSeconds: 0,
    eventLoopLagSeconds: 0.25,
    workersReady: workerSamples.length,
    workersLost: 0,
    workerSamples,
    orders: 0,
    ...rest,
  };
}
