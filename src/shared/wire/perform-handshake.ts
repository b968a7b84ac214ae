import type { Token } from '../util/token.ts';
import { type CloseCode, closeCodes, closeNamed } from './close-codes.ts';
import { CoordinatorHandshake, NodeHandshake } from './handshake.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Seal } from './seal.ts';
import { HANDSHAKE_MS, type Transport } from './transport.ts';

/**
 * The coordinator's part of the handshake: nothing else that a node sends is read before it has proved that it holds the token.
 * @throws ProtocolError if the node fails, is late or closes
 */
export async function handshakeAsCoordinator(
  transport: Transport,
  { token, runId }: { readonly token: Token | undefined; readonly runId: Uint8Array },
): Promise<Seal> {
  const handshake = new CoordinatorHandshake({ ...securityOf(transport, token), runId });
  const proof = nextFrame(transport);
  transport.send(handshake.challenge);
  const { welcome, seal } = handshake.accept(await proof);
  transport.authenticated();
  transport.send(welcome);
  return seal;
}

/**
 * The node's part of the handshake: it proves that it holds the token, and has the coordinator prove it too.
 * @throws ProtocolError if the coordinator fails, is late or closes
 */
export async function handshakeAsNode(
  transport: Transport,
  { token }: { readonly token: Token | undefined },
): Promise<Seal> {
  const handshake = new NodeHandshake(securityOf(transport, token));
  const proof = handshake.prove(await nextFrame(transport));
  const welcome = nextFrame(transport);
  transport.send(proof);
  const seal = handshake.finish(await welcome);
  transport.authenticated();
  return seal;
}

function securityOf({ channelBinding }: Transport, token: Token | undefined) {
  return { token, exporter: channelBinding, sealed: token !== undefined && channelBinding === undefined };
}

/** A copy of the next frame; those after it wait for the next receiver. */
function nextFrame(transport: Transport): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      transport.receive(undefined);
    };
    const fail = (closeCode: CloseCode, problem: string): void => {
      end();
      reject(new ProtocolError(`The handshake failed: ${problem}.`, { closeCode }));
    };
    const timer = setTimeout(() => fail('timeout', 'it took longer than 5 seconds'), HANDSHAKE_MS);
    transport.receive({
      onFrame: (frame) => {
        end();
        resolve(Buffer.from(frame));
      },
      onViolation: fail,
      onClose: (code, reason) => {
        // The reason that the peer gave is ours too; a connection that just broke may be tried again.
        const name = closeNamed(code);
        if (name === undefined) fail('timeout', `the peer closed the connection, ${code} ${reason}`.trim());
        else fail(name, closeCodes[name].reason);
      },
    });
  });
}
