// A second transport: frames over a Unix domain socket, each after its length. A close is the length CLOSE with a code and a reason.
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Peer,
  type Receiver,
  type ServerHandlers,
  type Transport,
  type TransportServer,
  UNAUTHENTICATED_BYTES,
} from '#src/shared/wire/transport.js';

const HEADER_BYTES = 4;
const CODE_BYTES = 2;
/** In place of a length. */
const CLOSE = 0xffffffff;
const NO_CLOSE_FRAME = 1006;

export async function listenOnPath(path: string): Promise<TransportServer> {
  const server = createServer();
  server.listen(path);
  await once(server, 'listening');
  return new UnixServer(server, path);
}

export async function connectToPath(path: string): Promise<Transport> {
  const socket = createConnection(path);
  await once(socket, 'connect');
  return new UnixTransport(socket);
}

class UnixTransport implements Transport {
  readonly channelBinding = undefined;
  readonly #socket: Socket;
  #receiver: Receiver | undefined;
  readonly #waiting: ((receiver: Receiver) => void)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  bytesReceived = 0;
  #isAuthenticated = false;
  #ending: readonly [code: number, reason: string] = [NO_CLOSE_FRAME, ''];

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('close', () => this.#put((receiver) => receiver.onClose(...this.#ending)));
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    setImmediate(() => this.#deliver());
  }

  send(frame: Uint8Array, onSent?: () => void): void {
    if (!this.#socket.writable) return;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE(frame.length);
    this.#socket.write(Buffer.concat([header, frame]), (error) => {
      if (!error) onSent?.();
    });
  }

  authenticated(): void {
    this.#isAuthenticated = true;
  }

  close(code: number, reason: string): void {
    const header = Buffer.alloc(HEADER_BYTES + CODE_BYTES);
    header.writeUInt32BE(CLOSE);
    header.writeUInt16BE(code, HEADER_BYTES);
    this.#ending = [code, reason];
    this.#socket.end(Buffer.concat([header, Buffer.from(reason)]));
  }

  terminate(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.bytesReceived += chunk.length;
    if (!this.#isAuthenticated && this.bytesReceived > UNAUTHENTICATED_BYTES) {
      this.#put((receiver) => receiver.onViolation('tooLarge', 'too many bytes'));
      return;
    }
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= HEADER_BYTES) {
      const length = this.#bytes.readUInt32BE();
      const rest = this.#bytes.subarray(HEADER_BYTES);
      // A close frame is the last one: its reason ends with the connection.
      if (length === CLOSE) {
        if (rest.length >= CODE_BYTES) this.#ending = [rest.readUInt16BE(), rest.subarray(CODE_BYTES).toString()];
        return;
      }
      if (rest.length < length) return;
      const frame = rest.subarray(0, length);
      this.#put((receiver) => receiver.onFrame(frame));
      this.#bytes = rest.subarray(length);
    }
  }

  #put(event: (receiver: Receiver) => void): void {
    this.#waiting.push(event);
    setImmediate(() => this.#deliver());
  }

  /** One event in each turn of the event loop, so that a receiver can be changed between two. */
  #deliver(): void {
    const event = this.#receiver === undefined ? undefined : this.#waiting.shift();
    if (event === undefined || this.#receiver === undefined) return;
    event(this.#receiver);
    if (this.#waiting.length > 0) setImmediate(() => this.#deliver());
  }
}

class UnixServer implements TransportServer {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, path: string) {
    this.#server = server;
    server.on('connection', refuse);
    this.url = `unix:${path}`;
  }

  serve({ onConnect, onDisconnect, onTransport, onFault }: ServerHandlers): void {
    this.#server.off('connection', refuse);
    this.#server.on('error', onFault);
    this.#server.on('connection', (socket: Socket) => {
      const peer: Peer = { address: 'local', hasSpoken: true, drop: () => socket.destroy() };
      this.#sockets.add(socket);
      socket.once('close', () => {
        this.#sockets.delete(socket);
        onDisconnect(peer);
      });
      onConnect(peer);
      onTransport(new UnixTransport(socket), peer);
    });
  }

  stop(): void {
    this.#server.close();
  }

  async end(graceMs: number): Promise<void> {
    const closed = [...this.#sockets].map((socket) => once(socket.end(), 'close'));
    await Promise.race([Promise.all(closed), sleep(graceMs, undefined, { ref: false })]);
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Closes a connection for which nobody is there yet. */
function refuse(socket: Socket): void {
  socket.destroy();
}
