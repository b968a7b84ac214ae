interface Closing {
  /** Of the WebSocket close frame. */
  readonly code: number;
  /** Of the WebSocket close frame: at most 123 bytes. */
  readonly reason: string;
  /** A node that is closed so connects again after a pause. */
  readonly retry: boolean;
}

/** Why a peer's connection is closed (docs/protocol.md). The numbers never change their meaning. */
export const closeCodes = {
  malformed: { code: 4400, reason: 'a frame is not laid out as the protocol says', retry: false },
  unauthorized: { code: 4401, reason: 'the peer does not hold the token of this run', retry: false },
  version: { code: 4402, reason: 'the peer speaks another version of the protocol', retry: false },
  role: { code: 4403, reason: 'the peer asks for a role that is not to be had here', retry: false },
  numerics: { code: 4404, reason: 'the peer is of another build, whose bits would differ', retry: false },
  tampered: { code: 4405, reason: 'a frame was altered, repeated, lost or reordered on its way', retry: true },
  tooLarge: { code: 4406, reason: 'a frame is larger than its type may be', retry: false },
  timeout: { code: 4407, reason: 'the peer missed a deadline', retry: true },
  unexpected: { code: 4408, reason: 'a message came where the protocol has none', retry: false },
  badResult: { code: 4409, reason: 'a result has the wrong step, tree node, size or value', retry: false },
  notFinite: { code: 4410, reason: 'a gradient is not finite that is finite elsewhere', retry: false },
  tooMany: { code: 4411, reason: 'there are too many connections', retry: true },
  replaced: { code: 4412, reason: 'the same node connected again', retry: false },
  runOver: { code: 4413, reason: 'the run is finished', retry: false },
  stopping: { code: 4414, reason: 'the coordinator stops; come again later', retry: true },
  unreliable: { code: 4415, reason: 'the node failed or was lost too often', retry: false },
} as const satisfies Readonly<Record<string, Closing>>;

export type CloseCode = keyof typeof closeCodes;

export const CLOSE_CODES = Object.keys(closeCodes) as readonly CloseCode[];

const NORMAL = 1000;
const MESSAGE_TOO_BIG = 1009;

/** The name of a WebSocket close number; undefined where it isn't Lockstep's. */
export function closeNamed(code: number): CloseCode | undefined {
  return CLOSE_CODES.find((name) => closeCodes[name].code === code);
}

/**
 * Whether a node should connect again after its WebSocket was closed with this number. One that isn't Lockstep's comes from the
 * network, a proxy or a process that died, which pass, unless it says that all is well or that the same would happen again.
 */
export function retriesAfter(code: number): boolean {
  const known = Object.values(closeCodes).find((closing) => closing.code === code);
  return known?.retry ?? (code !== NORMAL && code !== MESSAGE_TOO_BIG);
}
