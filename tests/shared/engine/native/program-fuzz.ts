import assert from 'node:assert/strict';
import { type OperationName, wordsOf } from '#src/shared/engine/operations.js';
import { at } from '../../../support/reference/arrays.ts';
import { uniformStream } from '../../../support/reference/random.ts';
import { argumentsOf, type ProgramArena, type RecordPlace } from './program-arena.ts';

/** Words of tables by their operations: where the pointer is, and the entries that are changed. */
const TABLES: Readonly<Partial<Record<OperationName, readonly (readonly [k: number, entries: number])[]>>> = {
  packWeights: [[5, 4]],
  conv: [[4, 4]],
  convWeightGradient: [[4, 4]],
  foldSubsample: [[5, 4]],
  unfoldGradient: [[4, 4]],
  subsampledConv: [
    [4, 4],
    [5, 4],
  ],
  subsampledConvWeightGradient: [
    [4, 4],
    [5, 4],
  ],
  subsampledConvInputGradient: [
    [3, 8],
    [4, 4],
  ],
};

/** Changes words of a program at random, and asserts that what is still accepted runs. */
export class ProgramFuzz {
  accepted = 0;
  refused = 0;
  readonly #uniform: () => number;

  constructor(seed: number) {
    this.#uniform = uniformStream(seed);
  }

  /** @param runsAll runs the whole program, else the changed record */
  run(arena: ProgramArena, mutations: number, runsAll: boolean): void {
    for (let i = 0; i < mutations; i++) {
      const record = at(arena.records, this.#below(arena.records.length));
      const word = this.#wordOf(arena, record, runsAll);
      const value = this.#changed(arena, arena.words[word] as number) | 0;
      arena.with(word, value, () => {
        // The whole program is checked, so that no record may write another.
        if (!arena.accepts()) {
          this.refused++;
          return;
        }
        this.accepted++;
        const text = `${record.operation}, word ${word - record.first}: ${value}`;
        assert.ok(!arena.traps(runsAll ? undefined : record), `${text} traps`);
        assert.ok(arena.hasCanaries, `${text} writes below the first byte`);
      });
    }
  }

  #below(count: number): number {
    return Math.floor(((this.#uniform() + 1) / 2) * count);
  }

  /** A word of a record or of one of its tables. */
  #wordOf(arena: ProgramArena, { operation, first }: RecordPlace, withTables: boolean): number {
    const tables = TABLES[operation];
    if (withTables && tables !== undefined && this.#below(3) === 0) {
      const [k, entries] = at(tables, this.#below(tables.length));
      return (arena.words[first + k] as number) / 4 + this.#below(entries);
    }
    const words = argumentsOf(operation).map(({ kind, k }) => k + wordsOf(kind));
    return first + this.#below(Math.max(...words));
  }

  #changed(arena: ProgramArena, value: number): number {
    const sign = this.#uniform() < 0 ? -1 : 1;
    switch (this.#below(8)) {
      case 0:
        return value + sign;
      case 1:
        return value + sign * 4 * (1 + this.#below(64));
      case 2:
        return value + sign * 32 * this.#below(2 ** 14);
      case 3:
        return value + sign * (this.#below(16) << 16);
      case 4:
        return value ^ (1 << this.#below(32));
      case 5:
        return arena.size - 4 * this.#below(2 ** 12);
      case 6:
        return 4 * this.#below(arena.size / 4);
      default:
        return at([0, -1, 1, 60, 64, 2 ** 31 - 1, -(2 ** 31), arena.size], this.#below(8));
    }
  }
}
