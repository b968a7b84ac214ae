import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { closeNamed } from '#src/shared/wire/close-codes.js';
import { BINDING_BYTES } from '#src/shared/wire/transport.js';

/** Longer than any deadline that the coordinator sets a peer which has said something wrong. */
const TIMEOUT_MS = 12_000;

/** How a connection ended: the close code's name or number, `http 400` and the like, `dropped` without either, `open` if it never did. */
export type Ending = string;

/** RFC 6455, as a program writes it that may break every rule of it. */
export const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

export const OPCODE = { text: 1, binary: 2, close: 8, ping: 9 } as const;

/** A masked frame of a WebSocket, whole. */
export function framed(payload: Uint8Array, opcode: number = OPCODE.binary): Buffer {
  const { length } = payload;
  const [short, extended] = length < 126 ? [length, 0] : length < 1 << 16 ? [126, 2] : [127, 8];
  const head = Buffer.alloc(2 + extended + 4);
  head.writeUInt8(0x80 | opcode);
  head.writeUInt8(0x80 | short, 1);
  if (extended === 2) head.writeUInt16BE(length, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(length), 2);
  // A mask of zeros leaves the bytes alone.
  return Buffer.concat([head, payload]);
}

export interface WireOptions {
  readonly host: string;
  readonly port: number;
  /** The own address. */
  readonly from?: string | undefined;
  /** Whether TLS is spoken over the TCP connection. */
  readonly tls?: boolean;
}

/** A TCP connection that may become a WebSocket, and tells how the coordinator ended it. */
export class Wire {
  readonly ended: Promise<Ending>;
  readonly #tcp: Socket;
  readonly #tls: TLSSocket | undefined;
  readonly #end: (ending: Ending) => void;
  readonly #messages: Buffer[] = [];
  /** What came and is no frame yet, in the pieces in which it came, and what the next frame takes in all. */
  #chunks: Buffer[] = [];
  #length = 0;
  #needed = 0;
  #bytes = Buffer.alloc(0);
  #isSecure = false;
  #isUpgraded = false;
  #isOver = false;
  #wake = (): void => {};

  constructor({ host, port, from, tls = false }: WireOptions) {
    let end: (ending: Ending) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    const timer = setTimeout(() => this.#over('open'), TIMEOUT_MS);
    this.#end = (ending) => {
      clearTimeout(timer);
      end(ending);
    };
    this.#tcp = connect({ host, port, noDelay: true, ...(from === undefined ? {} : { localAddress: from }) });
    this.#tcp.on('connect', () => this.#wake());
    this.#tls = tls ? connectTls({ socket: this.#tcp, rejectUnauthorized: false }) : undefined;
    this.#tls?.on('secureConnect', () => {
      this.#isSecure = true;
      this.#wake();
    });
    for (const socket of new Set<Socket>([this.#tcp, this.#top])) {
      socket.on('error', () => {});
      socket.on('close', () => this.#over('dropped'));
    }
    this.#top.on('data', (chunk) => this.#receive(chunk));
  }

  /** What bytes are written to: TLS if it is spoken, or else TCP. */
  get #top(): Socket {
    return this.#tls ?? this.#tcp;
  }

  /** The key that both ends of a TLS connection share; undefined without TLS, or if the connection is gone. */
  get binding(): Uint8Array | undefined {
    if (this.#isOver || this.#tls === undefined) return undefined;
    return this.#tls.exportKeyingMaterial(BINDING_BYTES, 'EXPORTER-Lockstep', Buffer.alloc(0));
  }

  /** Waits for the TCP connection, or until TLS is spoken over it, or for its end. */
  async reached(layer: 'TCP' | 'TLS'): Promise<void> {
    await this.#until(() => !this.#tcp.connecting && (layer === 'TCP' || this.#tls === undefined || this.#isSecure));
  }

  write(...bytes: readonly Uint8Array[]): void {
    if (!this.#isOver) this.#top.write(Buffer.concat(bytes));
  }

  /** Nothing more will come from here. */
  finish(): void {
    this.#top.end();
  }

  /** Ends the TCP connection by a reset, whatever is spoken over it. */
  reset(): void {
    if (this.#isOver) return;
    this.#tcp.resetAndDestroy();
    this.#over('reset');
  }

  /** The next message from the coordinator; undefined if the connection ended before. */
  async next(): Promise<Buffer | undefined> {
    await this.#until(() => this.#messages.length > 0);
    return this.#messages.shift();
  }

  /** Waits for the response to the request that upgrades, or for the end. */
  async upgraded(): Promise<void> {
    await this.#until(() => this.#isUpgraded);
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!this.#isOver && !isThere()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    this.#bytes = Buffer.concat(this.#chunks);
    this.#needed = 0;
    if (!this.#isUpgraded) this.#response();
    if (this.#isUpgraded) while (this.#frame());
    this.#chunks = [this.#bytes];
    this.#length = this.#bytes.length;
    this.#wake();
  }

  #response(): void {
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end < 0) return;
    const status = this.#bytes.subarray(9, 12).toString('latin1');
    if (status !== '101') this.#over(`http ${status}`);
    this.#isUpgraded = true;
    this.#bytes = this.#bytes.subarray(end + 4);
  }

  /** @returns whether one was there */
  #frame(): boolean {
    const bytes = this.#bytes;
    if (this.#isOver || bytes.length < 2) return false;
    const short = bytes.readUInt8(1);
    const begin = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < begin) return false;
    const length = short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    if (bytes.length < begin + length) {
      this.#needed = begin + length;
      return false;
    }
    const payload = bytes.subarray(begin, begin + length);
    this.#bytes = bytes.subarray(begin + length);
    const opcode = bytes.readUInt8() & 15;
    if (opcode === OPCODE.binary) this.#messages.push(payload);
    if (opcode === OPCODE.close) {
      const code = length < 2 ? 1005 : payload.readUInt16BE();
      this.#over(closeNamed(code) ?? String(code));
    }
    return true;
  }

  #over(ending: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // TLS has no handle left below it after a reset, and Node 20 breaks if it is destroyed then.
    if (ending !== 'reset') this.#top.destroy();
    this.#end(ending);
    this.#wake();
  }
}

/** The first bytes of a TLS connection. */
export function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const stream = new Duplex({
      read: () => {},
      write: (chunk: Buffer) => {
        resolve(chunk);
        stream.destroy();
      },
    });
    connectTls({ socket: stream, rejectUnauthorized: false }).on('error', () => {});
  });
}

/** An address of 127.0.0.0/8 if all of that is this machine's: each address has its own share of new connections. */
export function loopbackAddress(index: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  return `127.0.${1 + (Math.floor(index / 250) % 250)}.${1 + (index % 250)}`;
}
