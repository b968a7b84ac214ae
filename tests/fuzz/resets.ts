import type { Token } from '#src/shared/util/token.js';
import { encode } from '#src/shared/wire/frames.js';
import { enter, handshakeOver, hello } from './member.ts';
import type { Volley } from './volleys.ts';
import { clientHello, framed, UPGRADE, Wire, type WireOptions } from './wire.ts';

const HELLO = await clientHello();
const REQUEST = Buffer.from(UPGRADE);

/** Brings a connection to a point of its life and resets it there. @returns how many writes that took */
export async function reset(
  volley: Extract<Volley, { at: 'reset' }>,
  { token, ...options }: WireOptions & { readonly token: Token },
): Promise<number> {
  const isRaw = volley.point === 'after the TCP connection' || volley.point === 'in the TLS handshake';
  const wire = new Wire({ ...options, tls: options.tls === true && !isRaw });
  const writes = await bring(wire, volley, token);
  for (let turn = 0; turn < volley.turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  wire.reset();
  return writes;
}

async function bring(wire: Wire, { point, share }: Extract<Volley, { at: 'reset' }>, token: Token): Promise<number> {
  const part = (bytes: Buffer): Buffer => bytes.subarray(0, Math.ceil(share * (bytes.length - 1)));
  await wire.reached('TCP');
  switch (point) {
    case 'after the TCP connection':
    case 'while TLS answers':
      return 0;
    case 'in the TLS handshake':
      wire.write(part(HELLO));
      return 1;
    case 'after the TLS handshake':
      await wire.reached('TLS');
      return 0;
    case 'in the request':
      await wire.reached('TLS');
      wire.write(part(REQUEST));
      return 1;
    case 'after the request':
      await wire.reached('TLS');
      wire.write(REQUEST);
      return 1;
    case 'after the response':
      wire.write(REQUEST);
      await wire.upgraded();
      return 1;
    case 'in the proof':
    case 'after the proof': {
      wire.write(REQUEST);
      const challenge = await wire.next();
      if (challenge === undefined) return 1;
      const proof = framed(handshakeOver(wire, token).prove(challenge));
      wire.write(point === 'in the proof' ? part(proof) : proof);
      return 2;
    }
    default: {
      const entered = await enter(wire, token);
      if (entered === undefined || point === 'after the welcome') return 2;
      const say = (message: Buffer): Buffer => framed(entered.seal.seal(message));
      const first = say(hello());
      wire.write(point === 'in the hello' ? part(first) : first);
      if (point === 'in the hello' || point === 'after the hello') return 3;
      await wire.next();
      wire.write(say(encode({ type: 'ready' })));
      if (point === 'after ready') return 4;
      // What comes now is an assignment or a ping.
      await wire.next();
      wire.write(part(say(Buffer.alloc(2000))));
      return 5;
    }
  }
}
