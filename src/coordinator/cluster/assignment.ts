import { type ShardRange, splitOf } from '../../shared/engine/tree.ts';
import { type Cost, CostSplitter } from '../../shared/scheduler/split-by-cost.ts';
import { SpeedSplitter } from '../../shared/scheduler/split-by-speed.ts';
import type { Job } from './job.ts';
import type { Assignment } from './member.ts';
import type { MemberState } from './member-state.ts';

/** Of one piece. */
const MAX_RANGES = 8;
/** A member that gets nothing is measured by a probe after this time: it may have become faster. */
const PROBE_MS = 1000;
/** Measurements before a member's costs are taken as known: the first ones of a new one tell little. */
const FIRST_MEASUREMENTS = 4;

export interface MemberAssignment {
  readonly state: MemberState;
  readonly ranges: readonly ShardRange[];
  /** Others are given the same: it's computed twice, and compared where both are there in time. */
  readonly isProbe: boolean;
}

/** Deals what is missing of a job to members by their measured costs. */
export class AssignmentPlanner {
  readonly #byCost = new CostSplitter();
  readonly #bySpeed = new SpeedSplitter();

  /** @returns the shares of those among `idle` that get something */
  plan(job: Job<unknown>, idle: readonly MemberState[]): MemberAssignment[] {
    const missing = job.ledger.missing();
    if (idle.length === 0 || missing.length === 0) return [];
    if (!job.isUntouched || job.kind === 'evaluate') return this.#planRest(job, idle);
    const known = idle.filter(({ measurements }) => measurements >= FIRST_MEASUREMENTS);
    const states = known.length === 0 ? idle : known;
    const parts = this.#byCost.split(job.ledger.units, costsOf(states, job.kind));
    const needsProbe = (state: MemberState): boolean => !states.includes(state) || state.unmeasuredMs > PROBE_MS;
    const assignments = states.flatMap((state, i) => assignmentOf(state, parts[i]));
    const without = idle.filter((state) => assignments.every((assignment) => assignment.state !== state));
    const probe = probeOf(job.ledger.units, idle.length);
    return [...assignments, ...without.filter(needsProbe).map((state) => ({ state, ranges: [probe], isProbe: true }))];
  }

  /** What is left, whoever has which part. */
  #planRest(job: Job<unknown>, idle: readonly MemberState[]): MemberAssignment[] {
    const speeds = costsOf(idle, job.kind).map(({ shard }) => 1 / shard);
    const parts = this.#bySpeed.split(job.ledger.units, job.ledger.missing(), speeds);
    return idle.flatMap((state, i) => assignmentOf(state, parts[i]));
  }
}

function assignmentOf(state: MemberState, ranges: readonly ShardRange[] = []): MemberAssignment[] {
  return ranges.length === 0 ? [] : [{ state, ranges: consecutive(ranges), isProbe: false }];
}

/** As much as an average share: what is measured of a few shards tells nothing of many. */
function probeOf(units: number, states: number): ShardRange {
  let range = { begin: 0, end: units };
  while (range.end > 1 && range.end * states > units) range = { begin: 0, end: splitOf(range) };
  return range;
}

/** As many consecutive nodes as one piece may have. What is left is dealt later; a calm deal leaves nothing. */
function consecutive(ranges: readonly ShardRange[]): readonly ShardRange[] {
  const gap = ranges.findIndex(({ begin }, i) => i > 0 && begin !== ranges[i - 1]?.end);
  return ranges.slice(0, Math.min(MAX_RANGES, gap < 0 ? MAX_RANGES : gap));
}

/** Each one's costs; what hasn't been measured is the average of a thread. */
function costsOf(states: readonly MemberState[], kind: Assignment['kind']): Cost[] {
  const threadsOf = ({ member }: MemberState): number => Math.max(1, member.threads);
  const known = states.flatMap((state) => {
    const cost = state.costs[kind];
    return cost === undefined ? [] : [{ ...cost, shard: cost.shard * threadsOf(state) }];
  });
  const mean = (key: keyof Cost): number => known.reduce((sum, cost) => sum + cost[key], 0) / known.length;
  const average = known.length === 0 ? { shard: 1, overhead: 0 } : { shard: mean('shard'), overhead: mean('overhead') };
  return states.map((state) => state.costs[kind] ?? { ...average, shard: average.shard / threadsOf(state) });
}
