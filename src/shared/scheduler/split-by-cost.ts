import { type ShardRange, splitOf } from '../engine/tree.ts';

/** Costs that differ by less are the same: measured ones always move a little, and a new deal takes a search. */
const SAME = 0.05;

/** What shards cost on a machine, in any common unit of time. */
export interface Cost {
  /** Of each shard, above 0. */
  readonly shard: number;
  /** Of any shards at all: weights and gradients on their way. */
  readonly overhead: number;
}

/**
 * Deals the whole tree to machines by their costs so that each gets at most two tree nodes, which is what it has to send. Unlike
 * `Dealer`, which hits the speeds to a shard, it takes the deal that is done first of those that are possible so.
 */
export class CostSplitter {
  #shards = 0;
  #costs: readonly Cost[] = [];
  #parts: readonly (readonly ShardRange[])[] = [];
  #time = 0;

  /**
   * @param costs one a machine
   * @returns per machine its nodes: none, one or two, ascending
   */
  split(shards: number, costs: readonly Cost[]): readonly (readonly ShardRange[])[] {
    if (shards !== this.#shards || !this.#isLikeBefore(costs)) {
      this.#shards = shards;
      this.#costs = costs;
      const { parts, time } = fairest(runsFrom(shards), costs);
      this.#parts = parts;
      this.#time = time;
    }
    return this.#parts;
  }

  #isLikeBefore(costs: readonly Cost[]): boolean {
    return (
      costs.length === this.#costs.length &&
      costs.every(({ shard, overhead }, i) => {
        const before = this.#costs[i] as Cost;
        return (
          Math.abs(shard - before.shard) < SAME * before.shard &&
          Math.abs(overhead - before.overhead) < SAME * this.#time
        );
      })
    );
  }
}

/** A run of shards that at most two nodes make up. */
interface Run {
  readonly end: number;
  readonly ranges: readonly ShardRange[];
}

/** The runs that begin at each shard; the last entry, behind all shards, has the empty run alone. */
function runsFrom(shards: number): Run[][] {
  const ranges: ShardRange[][] = Array.from({ length: shards + 1 }, () => []);
  const visit = (range: ShardRange): void => {
    ranges[range.begin]?.push(range);
    if (range.end - range.begin === 1) return;
    const split = splitOf(range);
    visit({ begin: range.begin, end: split });
    visit({ begin: split, end: range.end });
  };
  visit({ begin: 0, end: shards });
  return ranges.map((firsts, begin) => [
    { end: begin, ranges: [] },
    ...firsts.flatMap((first) => [
      { end: first.end, ranges: [first] },
      ...(ranges[first.end] as ShardRange[]).map((second) => ({ end: second.end, ranges: [first, second] })),
    ]),
  ]);
}

/** How far a deal has come: all shards before some place are dealt. */
interface Stage {
  /** Of the machine that takes longest so far. */
  readonly time: number;
  readonly before: Stage | undefined;
  readonly ranges: readonly ShardRange[];
}

/** The deal whose slowest machine is done first: machine by machine, the best way to each place. */
function fairest(
  runs: readonly (readonly Run[])[],
  costs: readonly Cost[],
): { readonly parts: ShardRange[][]; readonly time: number } {
  let stages: (Stage | undefined)[] = [{ time: 0, before: undefined, ranges: [] }];
  for (const { shard, overhead } of costs) {
    const next: (Stage | undefined)[] = [];
    for (const [begin, before] of stages.entries()) {
      if (before === undefined) continue;
      for (const { end, ranges } of runs[begin] as readonly Run[]) {
        const time = Math.max(before.time, end === begin ? 0 : overhead + shard * (end - begin));
        const known = next[end];
        if (known === undefined || time < known.time) next[end] = { time, before, ranges };
      }
    }
    stages = next;
  }
  const parts: ShardRange[][] = [];
  const last = stages[runs.length - 1];
  for (let stage = last; stage?.before !== undefined; stage = stage.before) {
    parts.unshift([...stage.ranges]);
  }
  return { parts, time: last?.time ?? 0 };
}
