interface CloseRule {
  /** The number in the close frame. */
  readonly code: number;
  /** The text in the close frame: at most 123 bytes. */
  readonly reason: string;
  /** Whether a node that is closed with this code connects again after a pause. */
  readonly retry: boolean;
}

/** Why a connection is closed (docs/protocol.md). The numbers never change their meaning. */
export const closeCodes = {
  malformed: { code: 4400, reason: 'a frame is not laid out as the protocol says', retry: false },
  unauthorized: { code: 4401, reason: 'the peer does not hold the token of this run', retry: false },
  version: { code: 4402, reason: 'the peer speaks another version of the protocol', retry: false },
  role: { code: 4403, reason: 'the peer asks for a role that this side does not offer', retry: false },
  numerics: { code: 4404, reason: 'the peer runs another build, whose bits would differ', retry: false },
  tampered: { code: 4405, reason: 'a frame was altered, repeated, lost or reordered on its way', retry: true },
  tooLarge: { code: 4406, reason: 'a frame is larger than its type may be', retry: false },
  timeout: { code: 4407, reason: 'the peer missed a deadline', retry: true },
  unexpected: { code: 4408, reason: 'a message came where the protocol has none', retry: false },
  badResult: { code: 4409, reason: 'a result has the wrong step, shard range, size or value', retry: false },
  notFinite: { code: 4410, reason: 'a gradient is not finite although it is finite elsewhere', retry: false },
  tooMany: { code: 4411, reason: 'there are too many connections', retry: true },
  replaced: { code: 4412, reason: 'the same node connected again', retry: false },
  runOver: { code: 4413, reason: 'the run is finished', retry: false },
  stopping: { code: 4414, reason: 'the coordinator stops; try again later', retry: true },
  unreliable: { code: 4415, reason: 'the node failed or was lost too often', retry: false },
} as const satisfies Readonly<Record<string, CloseRule>>;

export type CloseCode = keyof typeof closeCodes;

export const CLOSE_CODES = Object.keys(closeCodes) as readonly CloseCode[];

/** A node that leaves by itself. */
export const NORMAL = 1000;
/** No close frame came. */
export const NO_CLOSE_FRAME = 1006;
const MESSAGE_TOO_BIG = 1009;
/** A process that failed in handling the connection. */
export const INTERNAL_ERROR = 1011;

/** What codes that aren't Lockstep's say (RFC 6455, 7.4.1), for a close frame without a reason. */
const STANDARD: Readonly<Record<number, string>> = {
  [NORMAL]: 'it left',
  1001: 'it ended or was closed',
  1005: 'it gave no reason',
  [NO_CLOSE_FRAME]: 'its connection broke',
  [MESSAGE_TOO_BIG]: 'it took no message of that size',
  [INTERNAL_ERROR]: 'it failed',
  1012: 'it restarts',
  1013: 'it is overloaded',
};

/** Why a connection was closed, in words; a code of Lockstep's is named too. */
export function closeText(code: number, reason: string): string {
  const name = closeNamed(code);
  const text = reason.replace(/\.$/, '') || (name === undefined ? STANDARD[code] : closeCodes[name].reason);
  if (text === undefined) return `its connection was closed with code ${code}, without a reason`;
  return name === undefined ? text : `${text} (${code})`;
}

/** The name of a close code; undefined if it isn't Lockstep's. */
export function closeNamed(code: number): CloseCode | undefined {
  return CLOSE_CODES.find((name) => closeCodes[name].code === code);
}

/**
 * Whether a node should connect again after its connection was closed with this code. A code that isn't Lockstep's comes from the
 * network, a proxy or a process that died, all of which may recover, unless the code says that all is well or that the same would happen again.
 */
export function retriesAfter(code: number): boolean {
  const name = closeNamed(code);
  return name === undefined ? code !== NORMAL && code !== MESSAGE_TOO_BIG : closeCodes[name].retry;
}
