import type { ShardRange } from '../../shared/engine/tree.ts';
import { MAX_UPDATE_FAILURES } from '../../shared/scheduler/policy.ts';

/**
 * What is missing and under way of an update's blocks. Unlike a shard, a block is given to one worker at a time, since workers
 * write it to the same place.
 */
export class BlockWork {
  readonly #missing: ShardRange[];
  #underWay = 0;
  #failures = 0;

  constructor(blocks: number) {
    this.#missing = [{ begin: 0, end: blocks }];
  }

  get complete(): boolean {
    return this.#missing.length === 0 && this.#underWay === 0;
  }

  /** Whether a worker is at a block. */
  get underWay(): boolean {
    return this.#underWay > 0;
  }

  /** Takes the blocks that nobody is at, in at most as many runs as there are workers, of almost the same length. */
  take(workers: number): ShardRange[] {
    if (workers === 0) return [];
    const runs = this.#missing.splice(0).flatMap((range) => slices(range, workers));
    this.#missing.push(...runs.splice(workers));
    this.#underWay += runs.length;
    return runs;
  }

  applied(): void {
    this.#underWay--;
  }

  giveBack(blocks: ShardRange): void {
    this.#underWay--;
    this.#missing.push(blocks);
  }

  /** @returns whether it has failed too often to be tried again */
  fail(): boolean {
    return ++this.#failures >= MAX_UPDATE_FAILURES;
  }
}

function slices({ begin, end }: ShardRange, count: number): ShardRange[] {
  const edge = (i: number): number => begin + Math.floor(((end - begin) * i) / count);
  const runs = Array.from({ length: count }, (_, i) => ({ begin: edge(i), end: edge(i + 1) }));
  return runs.filter((run) => run.begin < run.end);
}
