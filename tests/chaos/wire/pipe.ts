import type { Socket } from 'node:net';
import type { FrameFault, LinkQuality } from './faults.ts';
import { FrameSplitter } from './frames.ts';

/** A slow reader's bytes at a time, and milliseconds between. */
const TRICKLE_BYTES = 8192;
const TRICKLE_MS = 20;
/** A slow link's bytes at a time, and those that it takes from the sender ahead of that, as the buffers of routers do. */
const PACKET_BYTES = 4096;
const QUEUE_BYTES = 65_536;
/** Where the head of a frame ends: WebSocket header, sequence number, MAC and the message's type and length. */
const HEAD_BYTES = 60;

interface Armed {
  readonly fault: FrameFault;
  readonly onHit: () => void;
  skip: number;
}

interface SlowLink {
  readonly quality: LinkQuality;
  readonly onHit: () => void;
  /** When it has sent what it was given. */
  freeAt: number;
  /** Bytes that it was given. */
  passed: number;
}

/** One direction of a connection: passes bytes on as the faults let it. */
export class Pipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #cut: () => void;
  readonly #splitter = new FrameSplitter();
  readonly #armed: Armed[] = [];
  /** To be sent behind the next frame. */
  #held: { readonly bytes: Buffer; readonly onHit: () => void } | undefined;
  #hole: (() => void) | undefined;
  #trickle: (() => void) | undefined;
  #delay: { readonly by: number; readonly onHit: () => void } | undefined;
  #link: SlowLink | undefined;
  /** Bytes that are sent later, in order; undefined is the end. */
  readonly #late: { readonly due: number; readonly bytes: Buffer | undefined }[] = [];
  #lateBytes = 0;
  #isFull = false;

  constructor(source: Socket, sink: Socket, { onCut }: { readonly onCut: () => void }) {
    this.#source = source;
    this.#sink = sink;
    this.#cut = onCut;
    source.on('readable', () => this.#pump());
    sink.on('drain', () => {
      this.#isFull = false;
      this.#pump();
    });
    source.on('end', () => {
      if (this.#hole !== undefined) return;
      this.#send(this.#splitter.flush());
      this.#send(undefined);
    });
  }

  get isUpgraded(): boolean {
    return this.#splitter.isUpgraded;
  }

  arm(fault: FrameFault, onHit: () => void): void {
    this.#armed.push({ fault, onHit, skip: fault.skip });
  }

  /** Nothing passes any more. */
  blackHole(onHit: () => void): void {
    this.#hole = onHit;
    this.#pump();
  }

  delay(by: number, { during, onHit }: { readonly during: number; readonly onHit: () => void }): void {
    this.#delay = { by, onHit };
    setTimeout(() => {
      this.#delay = undefined;
    }, during);
  }

  slow({ during, ...quality }: LinkQuality & { readonly during: number | undefined }, onHit: () => void): void {
    this.#link = { quality, onHit, freeAt: performance.now(), passed: 0 };
    if (during !== undefined)
      setTimeout(() => {
        this.#link = undefined;
        this.#pump();
      }, during);
  }

  trickle(during: number, onHit: () => void): void {
    this.#trickle = onHit;
    const timer = setInterval(() => this.#pump(TRICKLE_BYTES), TRICKLE_MS);
    setTimeout(() => {
      clearInterval(timer);
      this.#trickle = undefined;
      this.#pump();
    }, during);
  }

  /** Passes on what is there; a trickle's bytes only when its timer calls. */
  #pump(budget = 0): void {
    const waits = this.#source.readableLength;
    if (this.#hole !== undefined) {
      if (waits > 0) this.#hole();
    } else if (this.#trickle !== undefined) {
      if (waits > budget) this.#trickle();
      if (budget > 0) this.#forward(this.#source.read(Math.min(waits, budget) || undefined));
    } else if (!this.#isFull && (this.#link === undefined || this.#lateBytes < QUEUE_BYTES))
      this.#forward(this.#source.read());
  }

  #forward(chunk: Buffer | null): void {
    if (chunk === null) return;
    for (const { bytes, isFrame } of this.#splitter.push(chunk)) {
      for (const each of isFrame ? this.#disturbed(bytes) : [bytes]) this.#send(each);
    }
  }

  #send(bytes: Buffer | undefined): void {
    if (this.#link !== undefined && bytes !== undefined) this.#sendSlowly(this.#link, bytes);
    else if (this.#delay === undefined && this.#late.length === 0) this.#write(bytes);
    else {
      if (bytes !== undefined) this.#delay?.onHit();
      this.#queue(performance.now() + (this.#delay?.by ?? 0), bytes);
    }
  }

  #sendSlowly(link: SlowLink, bytes: Buffer): void {
    const { bytesPerSecond, latency, cutAfter = Number.POSITIVE_INFINITY } = link.quality;
    for (let begin = 0; begin < bytes.length; begin += PACKET_BYTES) {
      const packet = bytes.subarray(begin, begin + PACKET_BYTES);
      link.freeAt = Math.max(link.freeAt, performance.now()) + (1000 * packet.length) / bytesPerSecond;
      this.#queue(link.freeAt + latency, packet);
    }
    link.passed += bytes.length;
    if (link.passed >= cutAfter) setTimeout(this.#cut, link.freeAt + latency - performance.now());
    link.onHit();
  }

  #queue(due: number, bytes: Buffer | undefined): void {
    this.#late.push({ due, bytes });
    this.#lateBytes += bytes?.length ?? 0;
    if (this.#late.length === 1) this.#sendLate();
  }

  #sendLate(): void {
    const [first] = this.#late;
    if (first === undefined) return;
    setTimeout(
      () => {
        this.#late.shift();
        this.#lateBytes -= first.bytes?.length ?? 0;
        this.#write(first.bytes);
        this.#sendLate();
        if (this.#link !== undefined) this.#pump();
      },
      Math.max(0, first.due - performance.now()),
    );
  }

  #write(bytes: Buffer | undefined): void {
    if (this.#sink.destroyed || this.#hole !== undefined) return;
    if (bytes === undefined) this.#sink.end();
    else if (!this.#sink.write(bytes)) this.#isFull = true;
  }

  /** What is forwarded instead of a frame. */
  #disturbed(frame: Buffer): Buffer[] {
    const held = this.#held;
    if (held !== undefined) {
      this.#held = undefined;
      held.onHit();
      return [frame, held.bytes];
    }
    const [armed] = this.#armed;
    if (armed === undefined || armed.skip-- > 0) return [frame];
    this.#armed.shift();
    const { fault, onHit } = armed;
    if (fault.kind === 'reorder') {
      this.#held = { bytes: frame, onHit };
      return [];
    }
    onHit();
    const place = fault.at * (fault.within === 'head' ? Math.min(HEAD_BYTES, frame.length) : frame.length);
    if (fault.kind === 'duplicate') return [frame, frame];
    if (fault.kind === 'flip') return [flipped(frame, Math.floor(8 * place))];
    if (fault.cuts) setImmediate(this.#cut);
    return [frame.subarray(0, Math.floor(place))];
  }
}

function flipped(frame: Buffer, bit: number): Buffer {
  const copy = Buffer.from(frame);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}
