// What a step or round takes over a star of nodes, by its parts. A period is a step, or a round of local steps.

/** Bytes of headers and seals that a frame of vectors has besides them, about. */
const FRAME_BYTES = 200;
const FLOAT_BYTES = 4;
/** Samples of a shard. */
const SHARD = 8;
/** Seconds from one machine to another and back, over a switch. */
const ROUND_TRIP = 0.0002;

/** A job by its replicas: there may be more of them for more nodes. */
export interface Job {
  readonly name: string;
  readonly model: string;
  /** Samples of a replica's step, or of a synchronous step for each replica that there would be. */
  readonly samples: number;
  /** 1 for a synchronous step. */
  readonly syncEvery: number;
}

/** What was measured of a job on this machine, in seconds of one thread. */
export interface Parts {
  readonly parameters: number;
  /** Vectors of a frame: weights or a gradient, or a whole state. */
  readonly vectors: number;
  /** A node's computing of a sample while nothing else runs. */
  readonly sample: number;
  /** How many times as long each of two threads takes if both of this machine's processors compute. */
  readonly slowdown: number;
  /** The coordinator's processor time for a frame to a node and one back: seal, send, receive, open, decode, copy, add. */
  readonly frame: number;
  /** A node's processor time for a period, besides computing. */
  readonly node: number;
  /** What is left of a period with one node: encode, update or average, log. */
  readonly own: number;
}

export interface Setting {
  readonly nodes: number;
  readonly threads: number;
  /** Samples of a period. */
  readonly samples: number;
  /** Of a step: no more threads than that have work. */
  readonly shards: number;
  /** Of the coordinator's link, each way. */
  readonly bytesPerSecond: number;
  /** Sums of shards or replicas that a node sends for each frame that it gets (default: 1, as equal nodes do). */
  readonly sums?: number;
  /** That all nodes of one thread share, 2 or more; undefined: each thread has its own. */
  readonly processors?: number | undefined;
}

type Work = Pick<Setting, 'samples' | 'shards' | 'threads'>;

export interface Period {
  readonly compute: number;
  readonly total: number;
  /** Of the total, 0..1. */
  readonly communication: number;
}

/** Bytes of the frames to one node, and of those from it. */
export function bytesOneWay({ parameters, vectors }: Parts): number {
  return FLOAT_BYTES * parameters * vectors + FRAME_BYTES;
}

/** The work of a period of a job with so many replicas. */
export function workOf({ samples, syncEvery }: Job, replicas: number): Pick<Setting, 'samples' | 'shards'> {
  return { samples: samples * syncEvery * replicas, shards: (samples * replicas) / SHARD };
}

/** A star: the coordinator's link carries the frames of all nodes down, and then, when all have computed, up. */
export function starPeriod(parts: Parts, setting: Setting): Period {
  const { nodes, sums = 1, bytesPerSecond } = setting;
  const { compute, sharing, roundTrip } = computing(parts, setting);
  const pairs = (nodes * (1 + sums)) / 2;
  const link = (2 * pairs * bytesOneWay(parts)) / bytesPerSecond;
  const frames = pairs * parts.frame + parts.node * sharing + parts.own;
  return periodOf(compute, link + frames + roundTrip);
}

/** Sums are relayed along a binary tree of the nodes, and the state the same way back: a state each way and level. */
export function relayedPeriod(parts: Parts, setting: Setting): Period {
  const { compute, roundTrip } = computing(parts, setting);
  const levels = 1 + Math.ceil(Math.log2(setting.nodes));
  const level = (2 * bytesOneWay(parts)) / setting.bytesPerSecond + parts.frame + roundTrip;
  return periodOf(compute, levels * level + parts.node + parts.own);
}

/** The period of one machine of so many threads that exchanges nothing. */
export function aloneSeconds(parts: Parts, { samples, shards, threads }: Work): number {
  return (samples * parts.sample) / Math.min(threads, shards);
}

/** The power of two up to `most` with the shortest period. */
export function bestNodes(
  parts: Parts,
  setting: Omit<Setting, 'nodes'>,
  { most, period = starPeriod }: { readonly most: number; readonly period?: typeof starPeriod },
): number {
  const powers = Array.from({ length: 1 + Math.floor(Math.log2(most)) }, (_, i) => 2 ** i);
  const total = (nodes: number): number => period(parts, { ...setting, nodes }).total;
  return powers.reduce((best, nodes) => (total(nodes) < total(best) ? nodes : best));
}

/** Speed of `nodes` machines as a share of that of so many without communication. */
export function efficiency(parts: Parts, setting: Setting, period = starPeriod): number {
  return aloneSeconds(parts, setting) / setting.nodes / period(parts, setting).total;
}

function computing(parts: Parts, { nodes, threads, samples, shards, processors }: Setting) {
  const each = (samples * parts.sample) / Math.min(nodes * threads, shards);
  if (processors === undefined) return { compute: each, sharing: 1, roundTrip: ROUND_TRIP };
  // Equal nodes compute at the same time: more of them than processors take turns, and two threads of a core slow each other down.
  const sharing = Math.max(1, nodes / processors);
  const busy = Math.min(1, (nodes - 1) / (processors - 1));
  return { compute: each * sharing * (1 + busy * (parts.slowdown - 1)), sharing, roundTrip: 0 };
}

function periodOf(compute: number, communication: number): Period {
  const total = compute + communication;
  return { compute, total, communication: communication / total };
}
