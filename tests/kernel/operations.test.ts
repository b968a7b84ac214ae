import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPERATIONS, RECORD_WORDS, wordsOf } from '#src/shared/engine/operations.js';
import { OperationRunner } from '../support/operations.ts';

const runner = new OperationRunner();

/** The numbers that the kernel exports, by name; other constants have a name of their own kind. */
function exportedNumbers(): Record<string, number> {
  const entries = Object.entries(runner.kernel).flatMap(([name, value]) =>
    /^[A-Z0-9_]+$/.test(name) && name !== 'PACKED_MAPS' ? [[name, (value as { value: number }).value] as const] : [],
  );
  return Object.fromEntries(entries);
}

describe('the table of operations', () => {
  it("has the kernel's numbers, each once", () => {
    const numbers = Object.fromEntries(
      Object.entries(OPERATIONS).map(([name, { number }]) => [
        name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
        number,
      ]),
    );
    assert.deepEqual(numbers, exportedNumbers());
    assert.equal(new Set(Object.values(numbers)).size, Object.keys(OPERATIONS).length);
  });

  it('has arguments that fit a record', () => {
    for (const [name, operation] of Object.entries(OPERATIONS)) {
      assert.match(operation.arguments, /^[pwgifms]+$/, name);
      const words = [...operation.arguments].reduce((sum, kind) => sum + wordsOf(kind), 0);
      assert.ok(words < RECORD_WORDS, `${name} has ${words} words`);
    }
  });

  it('is all that the interpreter knows', () => {
    const record = runner.memory.int32(RECORD_WORDS);
    for (const number of [0, -1, 46, 2 ** 30]) {
      record[0] = number;
      assert.throws(() => runner.kernel.run(record.byteOffset, 1, 0, 0, 0, 0, 1, 0, false), { name: 'RuntimeError' });
    }
  });
});
