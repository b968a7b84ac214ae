import { newToken, Token } from '#src/shared/util/token.js';
import { decodeFromCoordinator, encode } from '#src/shared/wire/frames.js';
import { BEFORE_WELCOME, type CoordinatorMessage, type FromCoordinator } from '#src/shared/wire/messages.js';
import type { Seal } from '#src/shared/wire/seal.js';
import { mutated } from '../shared/wire/mutations.ts';
import { badAnswer } from './answers.ts';
import { enter, handshakeOver, hello } from './member.ts';
import { reset } from './resets.ts';
import type { SealFault, Shot, Source, Volley } from './volleys.ts';
import { type Ending, framed, loopbackAddress, OPCODE, UPGRADE, Wire, type WireOptions } from './wire.ts';

/** Time for a member to be given work, of which there may be none left for it. */
const WORK_MS = 2000;
/** A frame that is refused wherever it comes, so that no connection stays open. */
const LAST_WORD = Buffer.of(0xc1);
const OTHER_TOKEN = new Token(newToken());
const RECORDED = 50;
/** The report of a node of one thread that has done nothing. */
const WELL = {
  memoryBytes: 1,
  processorSeconds: 1,
  eventLoopLagSeconds: 0,
  workersReady: 1,
  workersLost: 0,
  workerSamples: [0],
  orders: 0,
};

export interface Outcome {
  /** Frames that were sent, or writes below the protocol. */
  readonly frames: number;
  readonly ending: Ending;
  /** Whether it was given work, if it asked for some. */
  readonly worked: boolean;
}

export interface AttackerOptions extends WireOptions {
  readonly token: Token;
  /** The port of the live page. */
  readonly pagePort: number;
}

/** Attacks a coordinator over any number of connections. */
export class Attacker {
  readonly #options: AttackerOptions;
  /** Proofs that the coordinator took. */
  readonly #recorded: Buffer[] = [];
  #connections = 0;

  constructor(options: AttackerOptions) {
    this.#options = options;
  }

  async fire(volley: Volley): Promise<Outcome> {
    const options = { ...this.#options, from: loopbackAddress(this.#connections++) };
    if (volley.at === 'reset') return { frames: await reset(volley, options), ending: 'reset', worked: false };
    const wire = new Wire(this.#lower(volley, options));
    switch (volley.at) {
      case 'TCP':
      case 'HTTP':
      case 'page':
        wire.write(...volley.writes);
        wire.finish();
        return { frames: volley.writes.length, ending: await wire.ended, worked: false };
      case 'WebSocket':
        wire.write(Buffer.from(UPGRADE));
        await wire.next();
        wire.write(...volley.writes);
        wire.finish();
        return { frames: volley.writes.length, ending: await wire.ended, worked: false };
      case 'authenticated WebSocket': {
        const seal = await this.#enter(wire);
        if (seal !== undefined) wire.write(...volley.writes);
        wire.finish();
        return { frames: 1 + volley.writes.length, ending: await wire.ended, worked: false };
      }
      case 'handshake':
        return this.#handshake(wire, volley.shots);
      case 'messages':
        return this.#messages(wire, volley);
      case 'work':
        return this.#work(wire, volley);
    }
  }

  #lower({ at }: Volley, options: WireOptions): WireOptions {
    if (at === 'page') return { ...options, port: this.#options.pagePort, tls: false };
    return at === 'TCP' ? { ...options, tls: false } : options;
  }

  async #handshake(wire: Wire, shots: readonly Shot[]): Promise<Outcome> {
    wire.write(Buffer.from(UPGRADE));
    const challenge = await wire.next();
    if (challenge === undefined) return { frames: 0, ending: await wire.ended, worked: false };
    const { token } = this.#options;
    const proofBy = (of: Token): Buffer => handshakeOver(wire, of).prove(challenge);
    const sources: Record<Source, Buffer> = {
      challenge,
      proof: proofBy(token),
      'proof with another token': proofBy(OTHER_TOKEN),
      'proof of another connection': this.#recorded.at(-1) ?? proofBy(OTHER_TOKEN),
    };
    const payloads = shots.map(({ of, changes }) =>
      mutated(typeof of === 'string' ? sources[of] : Buffer.from(of), changes),
    );
    const frames = payloads.map((payload, i) => framed(payload, (shots[i] as Shot).opcode));
    wire.write(...frames, framed(LAST_WORD));
    const ending = await wire.ended;
    const isWelcome = (await wire.next()) !== undefined;
    const isSound = payloads[0]?.equals(sources.proof);
    return { frames: frames.length + 1, ending: isWelcome && !isSound ? 'let in' : ending, worked: false };
  }

  async #enter(wire: Wire): Promise<Seal | undefined> {
    const entered = await enter(wire, this.#options.token);
    if (entered === undefined) return undefined;
    this.#recorded.push(entered.proof);
    if (this.#recorded.length > RECORDED) this.#recorded.shift();
    return entered.seal;
  }

  async #messages(wire: Wire, { shots, seal: fault, as }: Extract<Volley, { at: 'messages' }>): Promise<Outcome> {
    const seal = await this.#enter(wire);
    if (seal === undefined) return { frames: 1, ending: await wire.ended, worked: false };
    const payloads = shots.map(({ of, changes }) => mutated(Buffer.from(of as Uint8Array), changes));
    const first = as === 'known' ? [framed(seal.seal(hello()))] : [];
    const frames = payloads.map((payload, i) =>
      (shots[i] as Shot).opcode === OPCODE.text
        ? framed(payload, OPCODE.text)
        : framed(i === 0 ? broken(seal, payload, fault) : seal.seal(payload)),
    );
    if (fault === 'repeated') frames.splice(1, 0, frames[0] as Buffer);
    wire.write(...first, ...frames, framed(seal.seal(LAST_WORD)));
    return { frames: 2 + first.length + frames.length, ending: await wire.ended, worked: false };
  }

  async #work(wire: Wire, { answer, changes, name }: Extract<Volley, { at: 'work' }>): Promise<Outcome> {
    const seal = await this.#enter(wire);
    if (seal === undefined) return { frames: 1, ending: await wire.ended, worked: false };
    let [frames, worked] = [1, false];
    const send = (...payloads: readonly Uint8Array[]): void => {
      frames += payloads.length;
      wire.write(...payloads.map((payload) => framed(seal.seal(payload))));
    };
    send(hello(name));
    const timer = setTimeout(() => send(LAST_WORD), WORK_MS);
    let welcome: CoordinatorMessage<'welcome'> | undefined;
    for (let sealed = await wire.next(); sealed !== undefined; sealed = await wire.next()) {
      const message: FromCoordinator = decodeFromCoordinator(seal.open(sealed), welcome ?? BEFORE_WELCOME);
      if (message.type === 'welcome') {
        welcome = message;
        send(encode({ type: 'ready' }));
      } else if (message.type === 'ping') send(encode({ type: 'pong', ...WELL }));
      else if (!worked && welcome !== undefined && (message.type === 'work' || message.type === 'evaluate')) {
        worked = true;
        clearTimeout(timer);
        send(...badAnswer(message, welcome, { answer, changes, hello: hello(name) }), LAST_WORD);
      }
    }
    clearTimeout(timer);
    return { frames, ending: await wire.ended, worked };
  }
}

function broken(seal: Seal, payload: Buffer, fault: SealFault): Buffer {
  if (fault === 'skipped') seal.seal(payload);
  const sealed = seal.seal(payload);
  // Over TLS a frame has no seal.
  if (fault === 'bare' || sealed.length === payload.length) return payload;
  if (fault === 'cut') return sealed.subarray(0, payload.length);
  if (fault === 'flipped') sealed.writeUInt8(sealed.readUInt8(payload.length) ^ 1, payload.length);
  return sealed;
}
