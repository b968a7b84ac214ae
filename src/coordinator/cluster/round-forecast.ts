import { unitCount } from '../../shared/engine/tree.ts';
import { FIRST_MEASUREMENTS } from '../../shared/scheduler/policy.ts';
import type { Cost } from '../../shared/scheduler/speed.ts';
import { splitByCost } from '../../shared/scheduler/split-by-cost.ts';
import type { MemberState } from './member-state.ts';

/** What a round takes with the members that are there, by what was measured of them. */
export interface RoundForecast {
  /** Members that aren't this process. */
  readonly nodes: number;
  /** Share of a round that a node which takes part spends on exchanging states, 0..1; undefined: none takes part. */
  readonly communication: number | undefined;
  readonly roundMs: number;
  /** By the threads of this process alone; undefined if it has none. */
  readonly aloneMs: number | undefined;
}

/** Undefined until each member's speed is known. */
export function forecastRound(replicas: number, members: readonly MemberState[]): RoundForecast | undefined {
  const isKnown = members.every(({ speeds }) => speeds.replica.measurements >= FIRST_MEASUREMENTS);
  if (!isKnown || members.length === 0) return undefined;
  const known = members.map(({ speeds }) => speeds.replica.cost as Cost);
  const split = splitByCost(replicas, known);
  const times = known.map(({ shard, overhead }, i) => {
    const units = unitCount(split[i] ?? []);
    return { isNode: members[i]?.isLocal === false, overhead, total: units === 0 ? 0 : overhead + units * shard };
  });
  const working = times.filter(({ isNode, total }) => isNode && total > 0);
  const share = working.reduce((sum, { overhead, total }) => sum + overhead / total, 0) / working.length;
  const local = known.find((_, i) => members[i]?.isLocal);
  return {
    nodes: times.filter(({ isNode }) => isNode).length,
    communication: working.length === 0 ? undefined : share,
    roundMs: Math.max(...times.map(({ total }) => total)),
    aloneMs: local && replicas * local.shard,
  };
}

/** What a person is told of it, and whether that is a warning. */
export function forecastText(
  { nodes, communication, roundMs, aloneMs }: RoundForecast,
  { replicas, syncEvery }: { readonly replicas: number; readonly syncEvery: number },
): { readonly text: string; readonly pays: boolean } {
  const job = `${replicas} replicas x ${syncEvery} steps`;
  const others = nodes === 1 ? '1 node' : `${nodes} nodes`;
  const gain = aloneMs === undefined ? '' : `; this machine alone would take ${milliseconds(aloneMs)}`;
  if (communication === undefined) {
    return {
      text: `${job}: the exchange with ${others} takes longer than their work saves, so they get none. More local steps (--sync-every) or larger batches would pay.`,
      pays: false,
    };
  }
  const share = Math.round(100 * communication);
  const text = `${job}: about ${share} % of the time of ${others} is communication; a round takes about ${milliseconds(roundMs)}${gain}.`;
  const pays = communication < 0.5;
  return { text: pays ? text : `${text} More local steps (--sync-every) or larger batches would pay.`, pays };
}

function milliseconds(value: number): string {
  return value < 10_000 ? `${Math.round(value)} ms` : `${Math.round(value / 1000)} s`;
}
