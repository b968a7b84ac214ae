import { randomUUID } from 'node:crypto';
import { numericsByName } from '#src/shared/engine/numerics/numerics.js';
import { selfTest } from '#src/shared/engine/self-test.js';
import type { Token } from '#src/shared/util/token.js';
import { encode } from '#src/shared/wire/frames.js';
import { NodeHandshake } from '#src/shared/wire/handshake.js';
import type { Seal } from '#src/shared/wire/seal.js';
import { framed, UPGRADE, type Wire } from './wire.ts';

const SELF_TEST = selfTest();

/** A node's side of the handshake, as the connection is encrypted or not. */
export function handshakeOver({ binding }: Wire, token: Token): NodeHandshake {
  return new NodeHandshake({ token, exporter: binding, sealed: binding === undefined });
}

/** A valid handshake. @returns undefined if the coordinator has no room */
export async function enter(
  wire: Wire,
  token: Token,
): Promise<{ readonly seal: Seal; readonly proof: Buffer } | undefined> {
  wire.write(Buffer.from(UPGRADE));
  const challenge = await wire.next();
  if (challenge === undefined) return undefined;
  const handshake = handshakeOver(wire, token);
  const proof = handshake.prove(challenge);
  wire.write(framed(proof));
  const welcome = await wire.next();
  return welcome && { seal: handshake.finish(welcome), proof };
}

/** What a new node of one thread says first. */
export function hello(name = 'fuzz'): Buffer {
  return encode({
    type: 'hello',
    node: randomUUID(),
    name,
    threads: 1,
    numerics: numericsByName(),
    selfTest: SELF_TEST,
  });
}
