// The phases of a step add up to its time.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startClusterEngine, startEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { madeDataset } from '../../support/made-images.ts';

const dataset = madeDataset(256, 200);
const FLAGS = { batch: 64, shardSize: 4, iterations: 12, evaluateEvery: 5, checkpointEvery: 4, warmup: 0 };
const PHASES = ['sample', 'dispatch', 'compute', 'reduce', 'update', 'wait'];
/** Each phase is rounded to a microsecond. */
const ROUNDING = 1e-5;

async function stepsOf(flags: Record<string, unknown>): Promise<StepRecord[]> {
  const { config } = resolveTrainConfig({ flags: { ...FLAGS, ...flags }, env: {} });
  const options = { config, memory: new SharedMemory(), dataset, onNoMembers: () => {} };
  const engine = config.listen === undefined ? startEngine(options) : startClusterEngine(options);
  const { layout, kernel, state, optimizer, answers, pool } = engine;
  const executor = 'cluster' in engine ? engine.cluster : engine.pool;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  const records: StepRecord[] = [];
  try {
    await train({
      config,
      executor,
      state,
      optimizer,
      answers,
      from: { step: 0 },
      chain: new HashChain(),
      observer: { onStep: (record) => records.push(record), onEvaluation: () => {} },
      checkpoint: () => {},
      stop: new AbortController().signal,
    });
  } finally {
    await executor.close();
    await pool?.close();
  }
  return records;
}

function phasesOf({ timings }: StepRecord): Record<string, number> {
  return timings.phases as Record<string, number>;
}

const CASES: readonly (readonly [string, Record<string, unknown>, readonly string[]])[] = [
  // The pool dispatches while the steps before are computed.
  ['a pool', {}, ['sample', 'compute', 'reduce', 'update', 'wait']],
  ['a cluster', { listen: '127.0.0.1:0' }, PHASES],
  ['a step that is clipped', { clipNorm: 1e-3 }, ['sample', 'compute', 'reduce', 'update', 'wait']],
];

for (const [name, flags, parts] of CASES) {
  describe(`the phases of ${name}`, () => {
    it('are complete, and add up to the step with one worker', async () => {
      for (const record of await stepsOf({ ...flags, workers: 1 })) {
        const { evaluate: _, checkpoint: __, ...phases } = phasesOf(record);
        assert.deepEqual(Object.keys(phases), PHASES);
        const sum = parts.reduce((before, part) => before + (phases[part] as number), 0);
        const { total } = record.timings;
        assert.ok(sum > total - ROUNDING, `${sum} of ${total} s`);
        // A worker that has nothing to wait for may begin before dispatching ends.
        assert.ok(sum < total + ROUNDING || phases.wait === 0, `${sum} of ${total} s`);
        for (const part of ['sample', 'compute', 'reduce', 'update']) assert.ok((phases[part] as number) > 0, part);
      }
    });

    it('are neither negative nor longer than the step, with several workers', async () => {
      for (const record of await stepsOf({ ...flags, workers: 3 })) {
        const phases = phasesOf(record);
        for (const part of PHASES) assert.ok((phases[part] as number) >= 0, part);
        for (const part of parts) assert.ok((phases[part] as number) <= record.timings.total + ROUNDING, part);
      }
    });
  });
}

it('evaluation and checkpoint are in the record of the step that they follow', async () => {
  const records = await stepsOf({ workers: 1 });
  const with_ = (phase: string): number[] =>
    records.filter((record) => phase in phasesOf(record)).map(({ step }) => step);
  assert.deepEqual(with_('evaluate'), [5, 10, 12]);
  assert.deepEqual(with_('checkpoint'), [4, 8, 12]);
  for (const { step, testLoss } of records) assert.equal(testLoss !== undefined, [5, 10, 12].includes(step));
});
