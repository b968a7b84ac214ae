/** What can be done to one direction's frames. */
export const FRAME_FAULTS = ['duplicate', 'reorder', 'truncate', 'flip'] as const;
export type Direction = 'toNode' | 'toCoordinator';

export interface FrameFault {
  readonly kind: (typeof FRAME_FAULTS)[number];
  readonly direction: Direction;
  /** Frames that pass before. */
  readonly skip: number;
  /** Where a frame is truncated or a bit is flipped: a fraction of the whole frame, or of its first bytes. */
  readonly at: number;
  readonly within: 'head' | 'whole';
  /** For truncate: the connection is cut after the part; else the following frames come in place of the rest. */
  readonly cuts: boolean;
}

/** A link in each direction. */
export interface LinkQuality {
  readonly bytesPerSecond: number;
  /** Milliseconds that each byte is on its way besides. */
  readonly latency: number;
  /** The connection is cut when so many bytes have passed to the node. */
  readonly cutAfter?: number;
}

/** Times in milliseconds; undefined: for ever. */
export type Fault =
  | { readonly kind: 'cut' }
  /** Nothing passes for so long, and neither side notices an end; undefined: for ever. */
  | { readonly kind: 'halfOpen'; readonly cutAfter: number | undefined }
  | { readonly kind: 'delay'; readonly by: number; readonly during: number }
  /** What the coordinator sends is read at a trickle. */
  | { readonly kind: 'slowReader'; readonly during: number }
  | ({ readonly kind: 'slowLink'; readonly during: number | undefined } & LinkQuality)
  | FrameFault;

/** A number picks one of the live connections, `next` is the next one that comes, `every` are the live ones and all that come. */
export type Where = number | 'all' | 'next' | 'every';

export type Command =
  /** Forwards to this port of loopback; undefined: cuts all connections and refuses new ones. */
  | { readonly type: 'aim'; readonly port: number | undefined; readonly id: number }
  | { readonly type: 'inflict'; readonly id: number; readonly where: Where; readonly fault: Fault };

/** A hit: the fault of this id has really happened to a connection. */
export type Report =
  | { readonly type: 'listening'; readonly port: number }
  /** A node is there before there was anything to forward to: it is kept waiting. */
  | { readonly type: 'held' }
  /** The command is carried out, or waits for its connection or frame. */
  | { readonly type: 'done'; readonly id: number }
  | { readonly type: 'hit'; readonly id: number };
