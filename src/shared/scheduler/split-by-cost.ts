import { type ShardRange, splitOf } from '../engine/tree.ts';
import type { Cost } from './speed.ts';

/** Costs that differ by less, as a share, are the same: measured ones always move a little, and a new split takes a search. */
const SAME_COST = 0.05;

/** A split of the whole tree: for each machine its ranges, none, one or two, ascending. */
export type Split = readonly (readonly ShardRange[])[];

/**
 * Splits the whole tree over machines by their costs so that each gets at most two ranges of the tree, which is what it has
 * to send. `splitBySpeed` meets the speeds to a shard; this takes the split that is done first among those that are possible so.
 * @param costs one a machine
 */
export function splitByCost(shards: number, costs: readonly Cost[]): Split {
  return fastest(runsFrom(shards), costs).split;
}

/** `splitByCost` that keeps its last split as long as the costs stay almost the same. */
export class SteadySplit {
  #shards = 0;
  #costs: readonly Cost[] = [];
  #split: Split = [];
  #time = 0;

  split(shards: number, costs: readonly Cost[]): Split {
    if (shards !== this.#shards || !this.#isLikeBefore(costs)) {
      const { split, time } = fastest(runsFrom(shards), costs);
      this.#shards = shards;
      this.#costs = costs;
      this.#split = split;
      this.#time = time;
    }
    return this.#split;
  }

  #isLikeBefore(costs: readonly Cost[]): boolean {
    return (
      costs.length === this.#costs.length &&
      costs.every(({ shard, overhead }, i) => {
        const before = this.#costs[i] as Cost;
        return (
          Math.abs(shard - before.shard) < SAME_COST * before.shard &&
          Math.abs(overhead - before.overhead) < SAME_COST * this.#time
        );
      })
    );
  }
}

/** A run of shards that at most two ranges of the tree make up. */
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

/** A split of the shards before some place over the first machines. */
interface Stage {
  /** What the slowest machine takes so far. */
  readonly time: number;
  readonly before: Stage | undefined;
  readonly ranges: readonly ShardRange[];
}

/** The split whose slowest machine is done first: machine by machine, the best way to each place. */
function fastest(
  runs: readonly (readonly Run[])[],
  costs: readonly Cost[],
): { readonly split: Split; readonly time: number } {
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
  const split: (readonly ShardRange[])[] = [];
  const last = stages[runs.length - 1];
  for (let stage = last; stage?.before !== undefined; stage = stage.before) {
    split.unshift(stage.ranges);
  }
  return { split, time: last?.time ?? 0 };
}
