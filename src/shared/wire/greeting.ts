import { TLSSocket } from 'node:tls';
import type { WebSocket } from 'ws';
import { ProtocolError } from '../util/errors.ts';
import type { Token } from '../util/token.ts';
import { type CloseCode, closeCodes, closeNamed } from './close-codes.ts';
import { CoordinatorHandshake, NodeHandshake } from './handshake.ts';
import { EXPORTER_BYTES } from './handshake-frames.ts';
import type { Seal } from './seal.ts';

/** For the whole handshake. */
export const HANDSHAKE_MS = 5000;
const EXPORTER_LABEL = 'EXPORTER-Lockstep';

export interface GreetingOptions {
  readonly token: Token | undefined;
  /** The connection below the WebSocket. */
  readonly connection: unknown;
}

/**
 * The coordinator's part of a connection's beginning: lets in who holds the token, before anything else is read.
 * @throws ProtocolError where the peer fails, is late or goes away
 */
export async function admit(
  socket: WebSocket,
  { token, connection, runId }: GreetingOptions & { readonly runId: Uint8Array },
): Promise<Seal> {
  const exporter = exporterOf(connection);
  const sealed = token !== undefined && exporter === undefined;
  const handshake = new CoordinatorHandshake({ token, runId, exporter, sealed });
  const proof = nextFrame(socket);
  socket.send(handshake.challenge);
  const { welcome, seal } = handshake.accept(await proof);
  socket.send(welcome);
  return seal;
}

/**
 * The node's part: proves that it holds the token, and has the coordinator prove it too.
 * @throws ProtocolError where the peer fails, is late or goes away
 */
export async function introduce(socket: WebSocket, { token, connection }: GreetingOptions): Promise<Seal> {
  const exporter = exporterOf(connection);
  const sealed = token !== undefined && exporter === undefined;
  const handshake = new NodeHandshake({ token, exporter, sealed });
  const proof = handshake.prove(await nextFrame(socket));
  const welcome = nextFrame(socket);
  socket.send(proof);
  return handshake.finish(await welcome);
}

function exporterOf(connection: unknown): Uint8Array | undefined {
  if (!(connection instanceof TLSSocket)) return undefined;
  return connection.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
}

/** The next binary frame. Frames behind it stay with the socket, which is paused until somebody listens. */
function nextFrame(socket: WebSocket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail('timeout', 'the handshake took longer than 5 seconds'), HANDSHAKE_MS);
    const end = (): void => {
      clearTimeout(timer);
      socket.off('message', take);
      socket.off('close', gone);
      // Nothing may be lost between this frame and whoever reads the next one.
      socket.pause();
    };
    const fail = (closeCode: CloseCode, problem: string): void => {
      end();
      reject(new ProtocolError(`The peer broke the handshake off: ${problem}.`, { closeCode }));
    };
    // What the peer gave as its reason is ours too; a connection that just broke off may be tried again.
    const gone = (code: number, reason: Buffer): void => {
      const name = closeNamed(code);
      fail(name ?? 'timeout', name === undefined ? `it closed, ${code} ${reason}` : closeCodes[name].reason);
    };
    const take = (data: Buffer, isBinary: boolean): void => {
      if (isBinary) {
        end();
        resolve(data);
      } else fail('malformed', 'it sent a text');
    };
    socket.on('message', take);
    socket.on('close', gone);
    socket.resume();
  });
}

/** Before a peer has proved anything. */
export const UNKNOWN_PAYLOAD = 1024;

/** Lets a peer that is known send larger frames. ws has no public way to do so after the connection was made. */
export function growPayload(socket: WebSocket, bytes: number): void {
  const { _receiver: receiver } = socket as unknown as { readonly _receiver: { _maxPayload: number } };
  receiver._maxPayload = bytes;
}
