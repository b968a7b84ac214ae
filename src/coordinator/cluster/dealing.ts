import { Dealer } from '../../shared/reduction/deal.ts';
import { type Cost, Portions } from '../../shared/reduction/portions.ts';
import type { TreeNode } from '../../shared/tree.ts';
import type { Job } from './job.ts';
import type { Piece } from './member.ts';
import type { Seat } from './seat.ts';

/** Of one piece. */
const MAXIMUM_NODES = 8;
/** What a member is given whose speed was not measured for so long that it gets nothing: it may have become faster. */
const PROBE: readonly TreeNode[] = [{ begin: 0, end: 1 }];
const PROBE_MS = 2000;

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
    const costs = costsOf(idle, job.kind);
    const speeds = costs.map(({ shard }) => 1 / shard);
    const shares = job.isUntouched
      ? this.#portions.deal(job.round.units, costs)
      : this.#dealer.deal(job.round.units, missing, speeds);
    return idle.flatMap((seat, i): Share[] => {
      const nodes = pieceOf(shares[i] ?? []);
      if (nodes.length > 0) return [{ seat, nodes, isProbe: false }];
      const isProbe = job.isUntouched && job.kind === 'gradient' && seat.unmeasuredMs > PROBE_MS;
      return isProbe ? [{ seat, nodes: PROBE, isProbe }] : [];
    });
  }
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
