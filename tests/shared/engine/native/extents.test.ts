import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkProgram } from '#src/shared/engine/native/extents.js';
import { OPERATIONS, type OperationName } from '#src/shared/engine/operations.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import type { Program } from '#src/shared/engine/program/program.js';
import { selfTestModels } from '#src/shared/engine/self-test.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { modelOf, PRESETS } from '#src/shared/model/registry.js';
import { ExtentError } from '#src/shared/util/errors.js';
import { layoutFrom, lenet5 } from '../../../support/models.ts';
import { type RandomCase, randomCase, written } from '../../../support/random-specs.ts';
import { at } from '../../../support/reference/arrays.ts';
import { argumentsOf, ProgramArena, type RecordPlace } from './program-arena.ts';
import { ProgramFuzz } from './program-fuzz.ts';

const SHARD_SIZES = [1, 13, 64];
/** More bytes than any argument of the models here reaches. */
const ZONE = 2 ** 19;

function lenets(): ModelLayout[] {
  return (['softmax', 'rbf'] as const).map((head) => layoutOf(lenet5(head)));
}

function presets(): ModelLayout[] {
  return PRESETS.map(({ name, data }) => modelOf({ model: name, head: 'softmax', rbfJ: 0.1 }, { name: 'x', ...data }));
}

/** Arenas whose programs together have every operation. */
function everyOperation(): ProgramArena[] {
  const models = [...lenets(), ...selfTestModels()];
  const arenas = models.map((layout) => new ProgramArena(layout, { shardSize: 13 }, ZONE));
  const floats = new ProgramArena(at(selfTestModels(), 0), { shardSize: 8, inputs: 'float32' }, ZONE);
  return [...arenas, floats];
}

function checked(layout: ModelLayout, options: Parameters<typeof planProgram>[1]): void {
  const memory = new SharedMemory();
  const program = planProgram(layout, options, memory);
  checkProgram(program, { memory: memory.memory, parameters: layout.parameters });
}

describe('the programs of', () => {
  it('presets pass', () => {
    for (const layout of presets()) for (const shardSize of SHARD_SIZES) checked(layout, { shardSize });
  });

  it('self-test models pass, with bytes and with floats', () => {
    for (const layout of [...lenets(), ...selfTestModels()]) {
      for (const shardSize of SHARD_SIZES)
        for (const inputs of ['uint8', 'float32'] as const) checked(layout, { shardSize, inputs });
    }
  });

  it('models of which only some tensors are added up by blocks pass', () => {
    // The last range of 14 parameters, up to 128, once began in the middle of a register.
    const layers = [{ kind: 'dense', units: 7 }, { kind: 'batch-norm' }, { kind: 'dense', units: 2 }];
    const layout = layoutFrom(layers, { input: { maps: 11, height: 1, width: 1 } });
    assert.equal(layout.parameters, 128);
    checked(layout, { shardSize: 8 });
  });
});

/** Arguments that have a bound above what is always reached: tables whose last part isn't read by all, and whole panels. */
const LOOSE = ['decodeBoxSums.8', 'transpose.3', 'denseWeightGradient.1', 'denseWeightGradient.8', 'conv.6'];

describe('the bounds of pointers and offsets', () => {
  const arenas = everyOperation();

  it("are known for all operations: none of them may be at the memory's or the vector's end", () => {
    const operations = new Set<OperationName>();
    for (const arena of arenas) {
      for (const record of arena.records) {
        operations.add(record.operation);
        for (const { kind, k } of pointersOf(arena, record)) {
          const end = isPlace(kind) ? 4 * arena.parameters : arena.size;
          const accepted = arena.with(record.first + k, end, () => arena.accepts(record));
          assert.ok(!accepted, `${record.operation}, word ${k}`);
        }
      }
    }
    assert.deepEqual([...operations].sort(), Object.keys(OPERATIONS).sort());
  });

  it('are those at which WebAssembly traps, but for the listed ones', () => {
    const [tried, loose] = [new Set<string>(), new Set<string>()];
    for (const arena of arenas) {
      for (const record of arena.records) {
        for (const { kind, k } of pointersOf(arena, record)) {
          const name = `${record.operation}.${k}`;
          if (tried.has(name) || isOfBlock(arena, record.first + k)) continue;
          tried.add(name);
          const last = lastAccepted(arena, record, { kind, k });
          assert.ok(!arena.with(record.first + k, last, () => arena.traps(record)), `${name} traps at ${last}`);
          if (!arena.with(record.first + k, last + 4, () => arena.traps(record))) loose.add(name);
          // What isn't accepted may write anywhere.
          arena.restore();
        }
      }
    }
    assert.deepEqual([...loose].sort(), [...LOOSE].sort());
  });
});

/** All arguments that are pointers or offsets, unless the record has no taps and so reads nothing. */
function pointersOf({ words }: ProgramArena, { operation, first }: RecordPlace) {
  const taps = operation === 'conv' ? words[first + 5] : operation === 'packWeights' ? words[first + 3] : 1;
  return argumentsOf(operation).filter(({ kind, k }) => {
    const dependsOnTaps = operation === 'packWeights' || k === 1 || k === 4 || k === 6;
    return 'pmwg'.includes(kind) && (taps !== 0 || !dependsOnTaps);
  });
}

function isPlace(kind: string): boolean {
  return kind === 'w' || kind === 'g';
}

/** Whether a word points to what the backend writes, so that nothing else is accepted. */
function isOfBlock({ words, program: { block } }: ProgramArena, word: number): boolean {
  return [block.indices, block.shifts, block.labels].includes(words[word] as number);
}

/** The last pointer into the zone behind the program, or offset, that is accepted. */
function lastAccepted(arena: ProgramArena, record: RecordPlace, { kind, k }: { kind: string; k: number }): number {
  const accepts = (value: number) => arena.with(record.first + k, value, () => arena.accepts(record));
  let [low, high] = isPlace(kind) ? [0, 4 * arena.parameters] : [arena.size - ZONE, arena.size];
  assert.ok(accepts(low), `${record.operation}, word ${k}: ${low} isn't accepted.`);
  while (high - low > 4) {
    const middle = low + 4 * Math.floor((high - low) / 8);
    if (accepts(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function layoutOfCase({ network, frozen, loss }: RandomCase): ModelLayout {
  return { ...layoutOf(parseModel(written(network), undefined, 'random'), frozen), loss };
}

describe('a program with one word changed, if it is accepted,', () => {
  it('stays in its memory: random networks', () => {
    const fuzz = new ProgramFuzz(1);
    for (const random of fc.sample(randomCase, { seed: 5, numRuns: 12 })) {
      const options = { shardSize: random.shardSize, inputs: random.floats ? 'float32' : 'uint8' } as const;
      fuzz.run(new ProgramArena(layoutOfCase(random), options, 0), 50, true);
    }
    assertBoth(fuzz);
  });

  it('stays in its memory: every operation', () => {
    const fuzz = new ProgramFuzz(2);
    for (const arena of everyOperation()) fuzz.run(arena, 60, true);
    assertBoth(fuzz);
  });

  it('stays in its memory: presets, the changed operation alone', () => {
    const fuzz = new ProgramFuzz(3);
    for (const layout of presets()) fuzz.run(new ProgramArena(layout, { shardSize: 8 }, 0), 40, false);
    assertBoth(fuzz);
  });
});

function assertBoth({ accepted, refused }: ProgramFuzz): void {
  assert.ok(accepted > 30 && refused > 100, `${accepted} were accepted, ${refused} refused.`);
}

describe('a program is refused', () => {
  const layout = layoutFrom([{ kind: 'conv', maps: 3, kernel: 3 }, { kind: 'relu' }, { kind: 'dense', units: 10 }]);
  const arena = new ProgramArena(layout, { shardSize: 8 }, 0);
  const refuses = (message: RegExp, change: Partial<Program>): void =>
    assert.throws(() => checkProgram({ ...arena.program, ...change }, arena), { name: 'ExtentError', message });
  const { lists } = arena.program;

  it('with an operation that there is not', () => {
    for (const number of [0, -1, 46])
      arena.with(lists.train.at / 4, number, () => refuses(/Record 0 of the list train: there is no operation/, {}));
  });

  it('with lists that leave the memory', () => {
    const { at: begin, count } = lists.train;
    for (const train of [
      { at: arena.size - 64, count: 2 },
      { at: 0, count },
      { at: begin, count: -1 },
    ])
      refuses(/^The list train has -?\d+ records from \d+ on/, { lists: { ...lists, train } });
  });

  it('that writes over its own tables or records', () => {
    const conv = arena.records.find(({ operation }) => operation === 'conv') as RecordPlace;
    const offsets = arena.words[conv.first + 4] as number;
    for (const to of [offsets, lists.evaluate.at, arena.program.block.indices])
      arena.with(conv.first + 11, to, () =>
        refuses(/^conv, .* out is written from \d+ to \d+, but a table is from/, {}),
      );
  });

  it('with a gradient of more parameters, naming operation, argument, range and size', () => {
    const text =
      /^convWeightGradient, record \d+ of the list train: weight is from 0 to 108 of a vector, but that has 8 bytes/;
    refuses(text, { blockRanges: [{ first: 0, count: 2 }] });
  });

  it('with more maps than have room in the memory, though they have no taps and so reach nothing', () => {
    const layers = [
      { kind: 'conv', maps: 2, kernel: 3 },
      { kind: 'conv', maps: 2, kernel: 1, stride: 2 },
      { kind: 'dense', units: 10 },
    ];
    const strided = new ProgramArena(layoutFrom(layers), { shardSize: 8 }, 0);
    const { first } = strided.records.find(
      ({ operation, first }) => operation === 'packWeights' && strided.words[first + 3] === 0,
    ) as RecordPlace;
    // The loop over pairs would not end.
    strided.with(first + 2, 2 ** 31 - 1, () => assert.ok(!strided.accepts()));
  });

  it('for other shards than its records have', () => {
    refuses(/^(transpose|denseWeightGradient), /, { shardBlocks: 2 });
    refuses(/shards of/, { shardsAtOnce: 0 });
  });
});

describe('a call of the backend is refused', () => {
  const memory = new SharedMemory();
  const layout = layoutOf(lenet5('softmax'));
  const program = planProgram(layout, { shardSize: 8 }, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), program, memory.memory);
  const weights = memory.parameters(layout.parameters);
  const gradient = memory.parameters(layout.parameters);
  const inputs = memory.bytes(9 * 28 * 28);
  const samples = (index: number, shift = 0) => ({
    inputs,
    targets: memory.uint16(9),
    first: 0,
    indices: new Int32Array(8).fill(index),
    shifts: new Int8Array(16).fill(shift),
  });

  it('before it has weights, or with those of another memory', () => {
    assert.throws(() => backend.evaluate(samples(0), new Uint16Array(8)), /no weights yet/);
    assert.throws(() => backend.setWeights(new Float32Array(layout.parameters)), ExtentError);
  });

  it('with samples that are not there, or shifted further than they are padded', () => {
    backend.setWeights(weights);
    assert.doesNotThrow(() => backend.gradient(samples(8, -2), 1, gradient));
    assert.throws(() => backend.gradient(samples(9), 1, gradient), /There is no sample 9 among 9/);
    assert.throws(() => backend.evaluate(samples(-1), new Uint16Array(8)), /There is no sample -1/);
    assert.throws(() => backend.gradient(samples(0, -3), 1, gradient), /A shift of -3 is more than 2/);
  });

  it('with other shards than the program takes, or another gradient', () => {
    for (const shards of [0, 3, 16]) assert.throws(() => backend.gradient(samples(0), shards, gradient), ExtentError);
    assert.throws(() => backend.gradient(samples(0), 1, new Float32Array(layout.parameters)), ExtentError);
  });
});
