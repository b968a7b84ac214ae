import { splitOf, type TreeNode } from '../../shared/engine/tree.ts';
import { type Cost, Portions } from '../../shared/scheduler/split-by-cost.ts';
import { Dealer } from '../../shared/scheduler/split-by-speed.ts';
import type { Job } from './job.ts';
import type { Piece } from './member.ts';
import type { Seat } from './member-state.ts';

/** Of one piece. */
const MAXIMUM_NODES = 8;
/** A member that gets nothing is measured by a probe after this time: it may have become faster. */
const PROBE_MS = 1000;
/** Measurements before a member's costs are taken as known: the first ones of a new one tell little. */
const FIRST_MEASUREMENTS = 4;

export interface Share {
  readonly seat: Seat;
  readonly nodes: readonly TreeNode[];
  /** Others are given the same: it's computed twice, and compared where both are there in time. */
  readonly isProbe: boolean;
}

/** Deals what is missing of a job to members by their measured costs. */
export class Dealing {
  readonly #portions = new Portions();
  readonly #dealer = new Dealer();

  /** @returns the shares of those among `idle` that get something */
  deal(job: Job<unknown>, idle: readonly Seat[]): Share[] {
    const missing = job.round.missing();
    if (idle.length === 0 || missing.length === 0) return [];
    if (!job.isUntouched || job.kind === 'evaluate') return this.#dealParts(job, idle);
    const known = idle.filter(({ measurements }) => measurements >= FIRST_MEASUREMENTS);
    const seats = known.length === 0 ? idle : known;
    const portions = this.#portions.deal(job.round.units, costsOf(seats, job.kind));
    const isOwed = (seat: Seat): boolean => !seats.includes(seat) || seat.unmeasuredMs > PROBE_MS;
    const shares = seats.flatMap((seat, i) => shareOf(seat, portions[i]));
    const without = idle.filter((seat) => shares.every((share) => share.seat !== seat));
    const probe = probeOf(job.round.units, idle.length);
    return [...shares, ...without.filter(isOwed).map((seat) => ({ seat, nodes: [probe], isProbe: true }))];
  }

  /** What is left, whoever has which part. */
  #dealParts(job: Job<unknown>, idle: readonly Seat[]): Share[] {
    const speeds = costsOf(idle, job.kind).map(({ shard }) => 1 / shard);
    const shares = this.#dealer.deal(job.round.units, job.round.missing(), speeds);
    return idle.flatMap((seat, i) => shareOf(seat, shares[i]));
  }
}

function shareOf(seat: Seat, nodes: readonly TreeNode[] = []): Share[] {
  return nodes.length === 0 ? [] : [{ seat, nodes: pieceOf(nodes), isProbe: false }];
}

/** As much as an average share: what is measured of a few shards tells nothing of many. */
function probeOf(units: number, seats: number): TreeNode {
  let node = { begin: 0, end: units };
  while (node.end > 1 && node.end * seats > units) node = { begin: 0, end: splitOf(node) };
  return node;
}

/** As many consecutive nodes as one piece may have. What is left is dealt later; a calm deal leaves nothing. */
function pieceOf(nodes: readonly TreeNode[]): readonly TreeNode[] {
  const gap = nodes.findIndex(({ begin }, i) => i > 0 && begin !== nodes[i - 1]?.end);
  return nodes.slice(0, Math.min(MAXIMUM_NODES, gap < 0 ? MAXIMUM_NODES : gap));
}

/** Each one's costs; what hasn't been measured is the average of a thread. */
function costsOf(seats: readonly Seat[], kind: Piece['kind']): Cost[] {
  const threadsOf = ({ member }: Seat): number => Math.max(1, member.threads);
  const known = seats.flatMap((seat) => {
    const cost = seat.costs[kind];
    return cost === undefined ? [] : [{ ...cost, shard: cost.shard * threadsOf(seat) }];
  });
  const mean = (key: keyof Cost): number => known.reduce((sum, cost) => sum + cost[key], 0) / known.length;
  const average = known.length === 0 ? { shard: 1, overhead: 0 } : { shard: mean('shard'), overhead: mean('overhead') };
  return seats.map((seat) => seat.costs[kind] ?? { ...average, shard: average.shard / threadsOf(seat) });
}
