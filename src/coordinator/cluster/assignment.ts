import { type ShardRange, splitOf } from '../../shared/engine/tree.ts';
import type { Job } from '../../shared/scheduler/job.ts';
import { FIRST_MEASUREMENTS, PROBE_MS } from '../../shared/scheduler/policy.ts';
import { type Cost, costsOf } from '../../shared/scheduler/speed.ts';
import { SteadySplit } from '../../shared/scheduler/split-by-cost.ts';
import { splitBySpeed } from '../../shared/scheduler/split-by-speed.ts';
import { MAX_STATE_RANGES } from '../../shared/wire/messages.ts';
import type { Assignment } from './member.ts';
import type { MemberState } from './member-state.ts';

/** Most ranges of one assignment: each costs a whole gradient, or the state of a replica, on its way back. */
const MAX_RANGES: Readonly<Record<Assignment['kind'], number>> = {
  gradient: 8,
  replica: MAX_STATE_RANGES,
  evaluate: 8,
};

export interface MemberAssignment {
  readonly state: MemberState;
  readonly ranges: readonly ShardRange[];
  /** Others are given the same: it is computed twice, and compared if both arrive in time. */
  readonly isProbe: boolean;
}

/** Splits what is missing of a job over members by their measured costs. */
export class AssignmentPlanner {
  readonly #steadySplit = new SteadySplit();

  /** @returns the assignments of those that get something */
  plan(job: Job<unknown>, members: readonly MemberState[]): MemberAssignment[] {
    const missing = job.ledger.missing();
    const free = members.filter(({ isFree }) => isFree);
    if (free.length === 0) return [];
    if (missing.length === 0) return job.kind === 'replica' ? repeatSlowest(job, free, members) : [];
    if (!job.ledger.isUntouched || job.kind === 'evaluate') return planRest(job, missing, free);
    const known = free.filter(({ speeds }) => speeds[job.kind].measurements >= FIRST_MEASUREMENTS);
    const states = known.length === 0 ? free : known;
    const parts = this.#steadySplit.split(job.ledger.units, costs(states, job.kind));
    const assignments = states.flatMap((state, i) => assignmentOf(job.kind, state, parts[i]));
    const needsProbe = (state: MemberState): boolean => !states.includes(state) || state.unmeasuredMs > PROBE_MS;
    const without = free.filter((state) => assignments.every((assignment) => assignment.state !== state));
    const probe = probeOf(job.ledger.units, free.length);
    return [...assignments, ...without.filter(needsProbe).map((state) => ({ state, ranges: [probe], isProbe: true }))];
  }
}

/** Gives those who are free what others are expected to finish later than they would: local steps take long enough for that. */
function repeatSlowest(
  job: Job<unknown>,
  free: readonly MemberState[],
  members: readonly MemberState[],
): MemberAssignment[] {
  const slow = members.filter((state) => state.isAtFirst(job)).sort((a, b) => b.leftMs - a.leftMs);
  return free.flatMap((state) => {
    const other = slow.find(({ leftMs, units }) => leftMs > (state.speeds[job.kind].expectedMs(units) ?? leftMs));
    if (other === undefined) return [];
    slow.splice(slow.indexOf(other), 1);
    other.isRepeated = true;
    return [{ state, ranges: other.ranges, isProbe: true }];
  });
}

/** Splits what is left, whoever has which part. */
function planRest(
  { ledger, kind }: Job<unknown>,
  missing: readonly ShardRange[],
  free: readonly MemberState[],
): MemberAssignment[] {
  const speeds = costs(free, kind).map(({ shard }) => 1 / shard);
  const parts = splitBySpeed(ledger.units, missing, speeds);
  return free.flatMap((state, i) => assignmentOf(kind, state, parts[i]));
}

function assignmentOf(
  kind: Assignment['kind'],
  state: MemberState,
  ranges: readonly ShardRange[] = [],
): MemberAssignment[] {
  return ranges.length === 0 ? [] : [{ state, ranges: consecutive(ranges, MAX_RANGES[kind]), isProbe: false }];
}

/** As much as an average part: what is measured of a few shards tells nothing of many. */
function probeOf(units: number, states: number): ShardRange {
  let range = { begin: 0, end: units };
  while (range.end > 1 && range.end * states > units) range = { begin: 0, end: splitOf(range) };
  return range;
}

/** As many consecutive ranges as one assignment may have. What is left is assigned later; a calm split leaves nothing. */
function consecutive(ranges: readonly ShardRange[], most: number): readonly ShardRange[] {
  const gap = ranges.findIndex(({ begin }, i) => i > 0 && begin !== ranges[i - 1]?.end);
  return ranges.slice(0, Math.min(most, gap < 0 ? most : gap));
}

function costs(states: readonly MemberState[], kind: Assignment['kind']): readonly Cost[] {
  return costsOf(
    states.map(({ member, speeds }) => ({ estimate: speeds[kind], threads: Math.max(1, member.threads) })),
    1,
  );
}
