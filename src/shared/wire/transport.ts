/** Time for the whole handshake. */
export const HANDSHAKE_MS = 5000;

/** Bytes that a peer may send before it has proved itself, the transport's own included. */
export const UNAUTHENTICATED_BYTES = 1024;

/** Bytes of a channel binding. */
export const BINDING_BYTES = 32;

/**
 * What the protocol needs of a connection: whole frames of bytes in both directions, in order. ws-transport.ts and ws-server.ts implement it over WebSocket;
 * another transport is another such file.
 */
export interface Transport {
  /**
   * BINDING_BYTES that both ends of an encrypted channel derive from it and nobody between them can; undefined if the channel isn't encrypted.
   */
  readonly channelBinding: Uint8Array | undefined;
  /** Bytes that have come so far, those of a frame that isn't complete included: the sign that the peer is there. */
  readonly bytesReceived: number;
  /** Sets the receiver of all that comes from now on. Frames and the close that come while there is none wait for the next one. */
  receive(receiver: Receiver | undefined): void;
  /** Does nothing on a closed connection. @param onSent called when the frame has left this process; never if the connection ends before */
  send(frame: Uint8Array, onSent?: () => void): void;
  /** Lifts the bound of UNAUTHENTICATED_BYTES: the peer has proved itself. */
  authenticated(): void;
  /** Sends the code and the reason, cut to what fits, and ends the connection even if the peer doesn't answer. */
  close(code: number, reason: string): void;
  /** Ends the connection at once. */
  terminate(): void;
}

/** Who takes what comes over a transport. What it throws ends the connection. */
export interface Receiver {
  /** The frame's bytes hold until the call returns and the promises that it resolved have run their reactions. */
  onFrame(frame: Buffer): void;
  /** The peer sent what no frame can be. The receiver closes. */
  onViolation(rule: 'malformed' | 'tooLarge', problem: string): void;
  /** Called once, last. @param code the number of the close frame, 1006 if none came */
  onClose(code: number, reason: string): void;
}

/** The other end of a connection that a server has accepted, from its first packet on. */
export interface Peer {
  readonly address: string;
  /** Whether anything has come from it. */
  readonly hasSpoken: boolean;
  /** Ends the connection at once, whatever is spoken over it. */
  drop(): void;
}

/** What listens for connections that become transports. */
export interface TransportServer {
  /** What a client connects to. */
  readonly url: string;
  /** Called once. Connections that come before are closed at once. */
  serve(handlers: ServerHandlers): void;
  /** Accepts no more connections. */
  stop(): void;
  /** Waits for the transports to close, at most so long, and ends all that is left. */
  end(graceMs: number): Promise<void>;
}

/** Listens in place of WebSocket: how the nodes of a run connect is its caller's choice. */
export interface NodeTransport {
  /** Called once a run. @param options `maxFrameBytes`: the longest frame of a node that has proved itself */
  listen(options: { readonly maxFrameBytes: number }): Promise<TransportServer>;
}

/** What a connection of a node is made with. */
export interface ConnectOptions {
  /** The longest frame of a coordinator that has proved itself. */
  readonly maxFrameBytes: number;
  /** Aborted: nobody waits for the connection any more. */
  readonly signal: AbortSignal;
}

/** Who is told of the connections of a server. */
export interface ServerHandlers {
  /** A connection was accepted; nothing of it has been read. */
  onConnect(peer: Peer): void;
  /** A connection is closed, whether it became a transport or not. */
  onDisconnect(peer: Peer): void;
  /** A connection can carry frames now. */
  onTransport(transport: Transport, peer: Peer): void;
  /** An error that no peer should be able to cause. It has ended the connection that it came from, and no other. */
  onFault(error: Error): void;
}
